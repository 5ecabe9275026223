/** What is sealed with a run until it ends. */
export interface RunSecrets {
  /** Values that were given with it. */
  secrets: Record<string, string>
  /** Names of the keys that the server lends to it. */
  lent: readonly string[]
}

/** Its text: the secrets alone where nothing is lent, as it was before anything could be. Null where there is neither. */
export const runSecretsText = ({ secrets, lent }: RunSecrets): string | null => {
  if (lent.length > 0) return JSON.stringify([secrets, lent])
  return Object.keys(secrets).length > 0 ? JSON.stringify(secrets) : null
}

/** Reads what was written here, and what was written before anything could be lent. */
export const readRunSecrets = (text: string): RunSecrets => {
  const parsed = JSON.parse(text) as RunSecrets['secrets'] | [RunSecrets['secrets'], string[]]
  return Array.isArray(parsed) ? { secrets: parsed[0], lent: parsed[1] } : { secrets: parsed, lent: [] }
}
