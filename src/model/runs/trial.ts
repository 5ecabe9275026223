/** A run that tries another version of its task on a recorded run. */
export interface Trial {
  /** Key of the recorded run whose results its writing steps take; null for a run that such a run started. */
  of: string | null
  /** Names of writing steps that are executed all the same. */
  allow: readonly string[]
}

export const trialIn = (text: string | null): Trial | null => (text === null ? null : (JSON.parse(text) as Trial))
