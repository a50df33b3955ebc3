/** `plinth/api`: the HTTP contract and its client. */
export { Api } from "../api/Api.ts"
export { type Options, PlinthApi, type Token } from "../api/ApiClient.ts"
