/** The `error.type` that OpenAI sends with a status. */
export const openAiType = (status: number): string => {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

const googleStatuses: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** The `error.status` that Google sends with a status. */
export const googleStatus = (status: number): string =>
  googleStatuses[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')

/** The `error.type` that Anthropic sends with a status. */
export const anthropicType = (status: number): string => {
  if (status === 404) return 'not_found_error'
  if (status === 413) return 'request_too_large'
  return status < 500 ? openAiType(status) : status === 503 ? 'overloaded_error' : 'api_error'
}
