# The tag names one Node release; pin it by digest too where your registry mirror gives you one.
ARG NODE=node:24.21.0-bookworm-slim

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No dependency needs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY migrations migrations
COPY src src
# dist/lib is the contract for clients that import the package; no process reads it.
RUN npm run build && rm -r dist/lib

FROM ${NODE}
# tini is PID 1, because Node as PID 1 ignores a SIGTERM that arrives in its first 0.2 s, before the program has loaded
# its signal handlers.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o 1000 -g 1000 /data \
  && ln -s /app/dist/cli.js /usr/local/bin/plinth
WORKDIR /app
# The bundle is self-contained; package.json tells Node that its files are ES modules.
COPY package.json ./
COPY --from=build /app/dist dist
ENV NODE_ENV=production DATA_DIR=/data PORT=8000
# Written only when SECRET_KEY or DATABASE_URL is unset; the rest of the file system may be read-only.
VOLUME /data
# The user `node`, by number, so that an orchestrator can check that it is not root.
USER 1000:1000
EXPOSE 8000 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/api/v1/public/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--"]
# Runs the server by default. Other commands: plinth worker (or node dist/worker.js), plinth migrate, plinth doctor.
CMD ["node", "dist/main.js"]

ARG VERSION=0.0.0-local
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Plinth" \
  org.opencontainers.image.description="The backend a SaaS product stands on" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
