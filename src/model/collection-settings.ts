import { z } from 'zod'

const rateLimit = z
  .int()
  .min(1)
  .max(1_000_000)
  .describe('Calls a minute that one key may make to this collection; null: what JETTY_RATE_LIMIT says.')

const settings = { rate_limit_per_minute: rateLimit.nullable() }

/** The names of all settings a collection has. */
export const collectionSettingNames = Object.keys(settings)

const unknownSetting = (names: readonly string[]): string =>
  `Unknown setting '${names.map((name) => name.slice(0, 100)).join("', '")}'; there is: ${collectionSettingNames.join(', ')}`

/** Every setting with its value, or null where the default counts. */
export const collectionSettingsSchema = z.object(settings).meta({ id: 'CollectionSettings' })

/** A value sets, null goes back to the default, what is absent stays. */
export const setCollectionSettingsSchema = z
  .strictObject(settings, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownSetting(issue.keys) : undefined),
  })
  .partial()
  .meta({ id: 'SetCollectionSettings' })

export type CollectionSettings = z.infer<typeof collectionSettingsSchema>
export type SetCollectionSettings = z.infer<typeof setCollectionSettingsSchema>

/** What is set of a collection, from the JSON text that is stored. */
export const readCollectionSettings = (text: string | null): Partial<CollectionSettings> =>
  text === null ? {} : (JSON.parse(text) as Partial<CollectionSettings>)
