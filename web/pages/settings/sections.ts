/** The parts of the settings of a collection, by their name in the address. */
export const collectionSections = [
  ['keys', 'Keys'],
  ['environment', 'Environment'],
  ['budgets', 'Budgets'],
  ['pause', 'Pause'],
  ['retention', 'Retention'],
  ['storage', 'Storage'],
  ['calls', 'Calls and network'],
  ['hooks', 'Hooks'],
  ['webhooks', 'Webhooks'],
  ['trial', 'Trial'],
  ['audit', 'Audit'],
  ['general', 'Collection'],
] as const

export type CollectionSection = (typeof collectionSections)[number][0]

/** The parts of the settings of this browser and of the server. All but the first are for the admin. */
export const serverSections = [
  ['sessions', 'Sessions'],
  ['health', 'Health and queue'],
  ['providers', 'Providers'],
  ['workers', 'Workers'],
  ['sandbox', 'Sandbox'],
  ['storage', 'Storage'],
  ['audit', 'Audit'],
] as const

export type ServerSection = (typeof serverSections)[number][0]

/** The part that an address names; the first one where it names none. */
export const readSection = <Name extends string>(
  sections: readonly (readonly [Name, string])[],
  given: string | undefined,
): Name => (sections.find(([name]) => name === given) ?? (sections[0] as readonly [Name, string]))[0]
