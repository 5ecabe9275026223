/** Secrets stored encrypted with a run until it ends. */
export interface RunSecrets {
  /** Values given with the run. */
  secrets: Record<string, string>
  /** Names of the keys that the server lends to the run. */
  lent: readonly string[]
}

/** Serializes run secrets. Without lent keys it is only the secrets, the older format. Null when there is neither. */
export const runSecretsText = ({ secrets, lent }: RunSecrets): string | null => {
  if (lent.length > 0) return JSON.stringify([secrets, lent])
  return Object.keys(secrets).length > 0 ? JSON.stringify(secrets) : null
}

/** Parses both formats. */
export const readRunSecrets = (text: string): RunSecrets => {
  const parsed = JSON.parse(text) as RunSecrets['secrets'] | [RunSecrets['secrets'], string[]]
  return Array.isArray(parsed) ? { secrets: parsed[0], lent: parsed[1] } : { secrets: parsed, lent: [] }
}
