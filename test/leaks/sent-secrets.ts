/** A value that a request carried and that must not come out again, with a name to call it by. */
export interface SentSecret {
  name: string
  value: string
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const entriesOf = (label: string, given: unknown): SentSecret[] => {
  const map = typeof given === 'string' ? parsed(given) : given
  if (typeof map !== 'object' || map === null) return []
  return Object.entries(map).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' ? [{ name: `${label} ${name}`, value: String(value) }] : [],
  )
}

const credentials = ['secret_access_key', 'access_key', 'token', 'password']

const credentialsOf = (storage: unknown): Record<string, unknown> =>
  Object.fromEntries(credentials.map((name) => [name, (storage as Record<string, unknown> | null | undefined)?.[name]]))

const fromFields = (fields: Record<string, unknown>): SentSecret[] => [
  ...entriesOf('secret parameter', fields.secret_params),
  ...entriesOf('variable', fields.environment_variables),
  ...entriesOf('credential', credentialsOf(fields.storage_info)),
  ...entriesOf('the', { webhook_secret: fields.webhook_secret }),
]

const multipartField = (body: string, name: string): string | undefined => {
  const [, after] = body.split(`name="${name}"`)
  return after === undefined ? undefined : /^[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([\s\S]*?)\r\n--/.exec(after)?.[1]
}

/** The environment variables and secrets of a body, whichever way it was written. */
export const sentSecrets = (contentType: string, body: string): SentSecret[] => {
  if (contentType.startsWith('multipart/')) {
    const names = ['secret_params', 'webhook_secret']
    return fromFields(Object.fromEntries(names.map((name) => [name, multipartField(body, name)])))
  }
  if (contentType.startsWith('application/x-www-form-urlencoded')) {
    return fromFields(Object.fromEntries(new URLSearchParams(body)))
  }
  const json = parsed(body)
  return typeof json === 'object' && json !== null ? fromFields(json as Record<string, unknown>) : []
}
