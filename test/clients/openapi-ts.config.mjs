export default {
  input: "openapi.json",
  output: { path: "generated", module: { extension: ".ts" } },
  plugins: ["@hey-api/client-fetch"],
  logs: { file: false },
}
