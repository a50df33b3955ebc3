import { graph, type Panel, row, stat, table } from "./Panel.ts"
import { each, hitRate, max, min, nonZero, p95, p99, percentiles, promql } from "./Queries.ts"
import { rate, share, sum, top10 } from "./Queries.ts"

/**
 * The panels of dashboards/overview.json, in reading order. The list is aligned as a table, so oxfmt ignores it. A
 * dashboard has 24 columns; `width` is in columns. Units are Grafana's: "reqps" and "ops" are per second, "percentunit"
 * is a share (0 to 1). `npm run dashboards` writes the JSON.
 */
// oxfmt-ignore
export const overview: ReadonlyArray<Panel> = [
  //     title                                     unit           width, query, more
  stat( "Instances up",                           "none",        4, promql('count(up{job="plinth"} == 1) or vector(0)'),
    { description: "Server instances that Prometheus can scrape.", thresholds: { red: null, orange: 1, green: 2 } }),
  stat( "Request rate",                           "reqps",       4, rate("http_requests_total")),
  stat( "Error rate",                             "percentunit", 4, share('http_requests_total{status_code=~"5.."}', "http_requests_total"),
    { description: "Share of requests answered with a 5xx status.", thresholds: { green: null, orange: 0.005, red: 0.02 } }),
  stat( "p99 latency",                            "s",           4, p99("http_request_duration_seconds"),
    { thresholds: { green: null, orange: 0.5, red: 1 } }),
  stat( "Requests in progress",                   "none",        4, sum("http_requests_in_progress")),
  stat( "Shortest uptime",                        "s",           4, min("app_uptime_seconds"),
    { description: "Time since an instance last started." }),

  row("HTTP"),
  graph("Request rate by status",                 "reqps",       8, rate("http_requests_total", "status_code"), { stacked: true }),
  graph("Request rate by endpoint (top 10)",      "reqps",       8, top10(rate("http_requests_total", "method, endpoint"))),
  graph("5xx rate by endpoint",                   "reqps",       8, nonZero(rate('http_requests_total{status_code=~"5.."}', "status_code, method, endpoint"))),
  graph("Latency percentiles",                    "s",           8, percentiles("http_request_duration_seconds")),
  graph("p95 latency by endpoint (slowest 10)",   "s",           8, top10(p95("http_request_duration_seconds", "method, endpoint"))),
  graph("Requests in progress by instance",       "none",        8, sum("http_requests_in_progress", "instance")),

  row("Database"),
  graph("Query rate by table",                    "ops",         6, rate("db_queries_total", "operation, table"), { stacked: true }),
  graph("p95 query duration by table",            "s",           6, p95("db_query_duration_seconds", "operation, table"),
    { description: "Includes the wait for a connection." }),
  graph("Pool connections by state",              "none",        6, sum("db_pool_connections", "instance, state"),
    { description: "DB_POOL_SIZE is the limit of each instance." }),
  graph("Query errors by type",                   "ops",         6, rate("db_errors_total", "error_type")),

  row("Redis, caches and external services"),
  graph("Redis connections",                      "none",        6, sum("redis_connections", "instance"),
    { description: "0: the instance cannot reach Redis and counts rate limits on its own." }),
  graph("Cache hit rate",                         "percentunit", 6, hitRate("cache_hits_total", "cache_misses_total", "cache_type"),
    { max: 1 }),
  graph("External calls by status",               "ops",         6, rate("external_service_requests_total", "service, operation, status")),
  graph("p95 external call duration",             "s",           6, p95("external_service_duration_seconds", "service"),
    { description: "Includes retries." }),
  graph("Circuit breakers",                       "none",        6, max("circuit_breaker_state", "service"),
    { max: 2, description: "0 closed, 1 half-open, 2 open." }),
  graph("Requests over a rate limit",             "reqps",       6, rate("rate_limit_hits_total", "client_type, endpoint")),
  graph("Rejected credentials by reason",         "reqps",       6, rate("auth_failures_total", "reason")),
  graph("Sign-ins by outcome",                    "reqps",       6, rate("auth_events_total", "event, provider")),

  row("Jobs"),
  graph("Waiting jobs by queue",                  "none",        6, promql("max by (queue_name) (background_job_queue_size)", "{{queue_name}}")),
  graph("Job rate by status",                     "ops",         6, rate("background_jobs_total", "status")),
  graph("Failed attempts by job",                 "ops",         6, rate('background_jobs_total{status="failed"}', "job_name")),
  graph("Duration of a job attempt",              "s",           6, percentiles("background_job_duration_seconds")),

  row("Process"),
  graph("CPU",                                    "percentunit", 6, rate("process_cpu_seconds_total", "instance, mode"),
    { description: "100 % is one core." }),
  graph("Resident memory",                        "bytes",       6, each('process_memory_bytes{type="rss"}', "instance")),
  graph("Event loop lag",                         "s",           6, each("event_loop_lag_seconds", "instance")),
  graph("Open file descriptors",                  "none",        6, each("process_open_fds", "instance")),
  table("Running versions", max("app_info", "instance, name, version, environment")),

  row("AI"),
  graph("LLM request rate by model",              "ops",         8, rate("llm_requests_total", "provider, model, status")),
  graph("LLM token rate by model",                "ops",         8, rate("llm_tokens_total", "provider, model, type")),
  graph("p95 LLM latency by model",               "s",           8, p95("llm_request_duration_seconds", "provider, model"),
    { description: "To the end of the answer." }),

  row("RPC"),
  graph("RPC rate by caller",                     "ops",         8, rate("rpc_requests_total", "caller")),
  graph("Failed RPCs",                            "ops",         8, nonZero(rate('rpc_requests_total{status!="success"}', "method, caller, status"))),
  graph("p95 RPC latency by method (slowest 10)", "s",           8, top10(p95("rpc_request_duration_seconds", "method"))),
]
