import { z } from 'zod'
import { defaultLabelValuesPerDay, labelNameSchema, mostCountedLabels, otherLabelValue } from '../runs/label.ts'
import { mostPlacementLabels } from '../runs/placement.ts'
import { isWebAddress } from '../web-address.ts'
import { noticeFormats, noticeStatuses } from '../webhook.ts'
import { workerLabelsSchema } from '../workers/worker.ts'
import { retentionSchema } from './retention.ts'
import { maxVariableNameLength, variableNamePattern } from './variable-name.ts'

/** A host as in a URL, `*.example.com` for all its subdomains, with an optional port. */
const hostPattern = /^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(:\d{1,5})?$/i
const ipv6Pattern = /^\[[0-9a-f:.]+\](:\d{1,5})?$/i

const host = z
  .string()
  .max(260)
  .refine((text) => hostPattern.test(text) || ipv6Pattern.test(text), {
    error: 'Must be a host (api.example.com), every host below one (*.example.com), or either with a port',
  })

/** Quotes names from a request, shortened. */
const quoted = (names: readonly string[]): string => `'${names.map((name) => name.slice(0, 100)).join("', '")}'`

/** A receiver's address, without a user name, a password or surrounding spaces. */
const webAddress = z
  .string()
  .trim()
  .max(4096)
  .refine(isWebAddress, { error: 'Must be an http or https URL, without a user name or password in it' })

const variable = z
  .string()
  .max(maxVariableNameLength)
  .regex(variableNamePattern, 'Must be the name of an environment variable of the collection')

const usd = z.number().positive().max(1_000_000_000)
const strict: z.core.$ZodObjectParams = {
  error: (issue) => (issue.code === 'unrecognized_keys' ? `Unknown member ${quoted(issue.keys)}` : undefined),
}

const modelName = z.string().trim().min(1).max(300)

const deployment = z.strictObject(
  {
    model: modelName.describe('The model as clients name it.'),
    name: z.string().trim().min(1).max(100).optional().describe('Name of the deployment in records and headers.'),
    target: modelName.optional().describe('The model to ask, such as `azure/prod-eu`. Default: `model`.'),
    variables: z
      .record(variable, variable)
      .refine((map) => Object.keys(map).length <= 10, { error: 'Must have 10 variables at most' })
      .optional()
      .describe(
        'Environment variables to use in the place of others: `{"OPENAI_API_KEY": "OPENAI_API_KEY_EU"}`. They may hold keys, addresses and regions.',
      ),
    weight: z
      .number()
      .min(0)
      .max(1000)
      .optional()
      .describe('Share of the calls, compared with the other deployments of the model. 0: none. Default: 1.'),
  },
  strict,
)

const headerName = z
  .string()
  .regex(
    /^(?!(?:content-.*|host|connection|transfer-encoding)$)[\w!#$%&'*+.^`|~-]{1,200}$/i,
    'Must be the name of a header, and none that each request sets itself, such as content-type',
  )
const mostCollectorHeaders = 10

const requestMember = z
  .string()
  .regex(
    /^(user|safety_identifier|prompt_cache_key|metadata\..{1,200})$/u,
    'Expected user, safety_identifier, prompt_cache_key or metadata.<name>',
  )

const mostMappedLabels = 20
const mostMembers = 5

/** An absent or null limit means unlimited. */
const budget = z
  .strictObject(
    {
      usd_per_day: usd.nullable().describe('Budget of model calls per day (UTC), in US dollars.'),
      tokens_per_day: z
        .int()
        .min(1)
        .nullable()
        .describe('Budget of model calls per day (UTC), in tokens, cached ones included.'),
    },
    strict,
  )
  .partial()

/**
 * How a setting that the operator has set, with the admin token, binds the keys of the collection. `operator`: keys cannot
 * change it. `fixed`: they cannot change it while the operator has set it. `at_most`: they may set lower numbers. `within`:
 * they may choose among its entries. `besides`: what they set is added to it.
 */
export type Binding = 'operator' | 'fixed' | 'at_most' | 'within' | 'besides'

const binding: Record<Binding, string> = {
  operator: 'Only the admin token can change it.',
  fixed: 'Keys cannot change it while the admin token has set it.',
  at_most: 'Keys may set less than the admin token has set, not more.',
  within: 'Keys may only choose among what the admin token has set.',
  besides: 'What keys set is added to what the admin token has set.',
}

/** A setting, and who may change it. */
const bound = <Schema extends z.ZodType>(binds: Binding, schema: Schema): { binds: Binding; schema: Schema } => ({
  binds,
  schema: schema.describe(`${schema.description} ${binding[binds]}`),
})

/** Every setting of a collection, with who may change it. */
const table = {
  record_calls: bound(
    'fixed',
    z.boolean().nullable().describe('Whether each gateway call is recorded as a trajectory. null: yes.'),
  ),
  cache_calls: bound(
    'fixed',
    z
      .boolean()
      .nullable()
      .describe('Whether an identical gateway call gets the earlier answer again, at no cost. null: no.'),
  ),
  labels_from: bound(
    'fixed',
    z
      .record(labelNameSchema, z.array(requestMember).max(mostMembers).nullable())
      .refine(
        (labels) => Object.keys(labels).length <= mostMappedLabels,
        `There are at most ${mostMappedLabels} labels`,
      )
      .nullable()
      .describe(
        'Labels of gateway calls, each with the members of the request that may have its value: `user`, `safety_identifier`, `prompt_cache_key` and `metadata.<name>`. The first one that is there counts, unless the call names the label itself. null: none.',
      ),
  ),
  label_totals: bound(
    'fixed',
    z
      .array(labelNameSchema)
      .max(mostCountedLabels)
      .nullable()
      .describe(
        'Keys of labels by which cost, tokens and calls of a day are summed up, beside `user` and `session`: calls count from now on. null: none.',
      ),
  ),
  label_values_per_day: bound(
    'at_most',
    z
      .int()
      .min(1)
      .max(100_000)
      .nullable()
      .describe(
        `Values of a label that have sums of their own in a day; further ones are summed up as \`${otherLabelValue}\`. null: ${defaultLabelValuesPerDay}.`,
      ),
  ),
  fallback_models: bound(
    'fixed',
    z
      .array(z.string().trim().min(1).max(300))
      .max(10)
      .nullable()
      .describe('Fallback models, in this order, for calls whose own model cannot answer. null: none.'),
  ),
  deployments: bound(
    'fixed',
    z
      .array(deployment)
      .max(100)
      .nullable()
      .describe('Several keys, addresses or providers of a model, among which gateway calls are spread. null: none.'),
  ),
  deployment_choice: bound(
    'fixed',
    z
      .enum(['weight', 'latency'])
      .nullable()
      .describe('How a deployment is chosen: by weight, or the one that answered fastest lately. null: by weight.'),
  ),
  budget: bound('at_most', budget.nullable().describe('Daily budget of model calls. null: no limit.')),
  run_budget: bound(
    'at_most',
    z
      .strictObject({ usd: usd.nullable().describe('Budget of the model calls of one run, in US dollars.') }, strict)
      .partial()
      .nullable()
      .describe('Budget of one run. null: no limit.'),
  ),
  rate_limit_per_minute: bound(
    'at_most',
    z
      .int()
      .min(1)
      .max(1_000_000)
      .nullable()
      .describe('Rate limit of one key in this collection, in calls per minute. null: JETTY_RATE_LIMIT applies.'),
  ),
  retention_days: bound(
    'at_most',
    z
      .int()
      .min(1)
      .max(36_500)
      .nullable()
      .describe('Retention: days after its end until a run is deleted, with its steps and files. null: forever.'),
  ),
  retention: bound(
    'fixed',
    retentionSchema
      .nullable()
      .describe('Retention by number, size, label and task, beside `retention_days`. null: by age alone.'),
  ),
  quota: bound(
    'operator',
    z
      .strictObject(
        {
          stored_bytes: z.int().min(1).nullable().describe('Storage quota in bytes: texts of runs, and files.'),
          runs: z.int().min(1).nullable().describe('Maximum number of runs, gateway calls included.'),
        },
        strict,
      )
      .partial()
      .nullable()
      .describe("Storage quota of the collection. null: the server's defaults."),
  ),
  webhook: bound(
    'fixed',
    z
      .strictObject(
        {
          url: webAddress.nullable().describe('Address of the receiver.'),
          url_variable: variable
            .nullable()
            .describe(
              'Environment variable of the collection with the address, where that is a secret, as those of chats are.',
            ),
          secret_variable: variable
            .nullable()
            .describe('Environment variable of the collection whose value signs the deliveries. null: not signed.'),
          statuses: z
            .array(z.enum(noticeStatuses))
            .min(1, 'statuses needs one at least; null is for all')
            .max(noticeStatuses.length)
            .nullable()
            .describe('Ends of runs that the receiver hears of. null: all.'),
          format: z
            .enum(noticeFormats)
            .nullable()
            .describe(
              '`text`: a JSON object with a line `text`, as chats read it. null: `trajectory`, the whole document.',
            ),
        },
        strict,
      )
      .partial()
      .refine(({ url, url_variable: from }) => !url || !from, {
        error: 'Set url or url_variable, not both',
        path: ['url_variable'],
      })
      .nullable()
      .describe(
        'Receiver that is told of the end of every run that a request or a routine starts without a webhook of its own. null: none.',
      ),
  ),
  trace_export: bound(
    'fixed',
    z
      .strictObject(
        {
          url: webAddress
            .nullable()
            .describe('Base URL of a collector that takes OTLP over HTTP in protobuf; /v1/traces is appended.'),
          headers: z
            .record(headerName, variable.nullable())
            .refine((headers) => Object.keys(headers).length <= mostCollectorHeaders, {
              error: `Must have ${mostCollectorHeaders} headers at most`,
            })
            .nullable()
            .describe(
              'Headers of each request, each with the environment variable of the collection that has its value, such as the key of a backend.',
            ),
          contents: z
            .boolean()
            .nullable()
            .describe('Whether spans have contents: messages, results of tools, inputs and outputs. null: no.'),
        },
        strict,
      )
      .partial()
      .nullable()
      .describe(
        'Collector that gets the traces of the runs of this collection that end from now on, beside that of the server. null: none.',
      ),
  ),
  allowed_hosts: bound(
    'within',
    z
      .array(host)
      .max(200)
      .nullable()
      .describe(
        'Hosts that steps, model calls and the collector of trace_export may reach; an empty list allows none. null: every public host.',
      ),
  ),
  server_labels: bound(
    'besides',
    workerLabelsSchema
      .max(mostPlacementLabels)
      .nullable()
      .describe(
        'Labels that a server process must have (`JETTY_LABELS`) to execute new runs of this collection, beside `runs_on` of their steps. null: none.',
      ),
  ),
  worker_labels: bound(
    'besides',
    workerLabelsSchema
      .nullable()
      .describe(
        'Labels that a worker must have to take jobs of this collection, beside `runs_on` of a step. null: none.',
      ),
  ),
}

type Table = typeof table
export type SettingName = keyof Table

/** Names of all collection settings. */
export const collectionSettingNames = Object.keys(table) as SettingName[]

/** How a setting of the operator binds keys. */
export const bindingOf = (name: SettingName): Binding => table[name].binds

const settings = Object.fromEntries(collectionSettingNames.map((name) => [name, table[name].schema])) as {
  [Name in SettingName]: Table[Name]['schema']
}

const unknownSetting = (names: readonly string[]): string =>
  `Unknown setting ${quoted(names)}; there is: ${collectionSettingNames.join(', ')}`

/** All settings; null means the default. */
export const collectionSettingsSchema = z
  .object({
    ...settings,
    set_by: z
      .partialRecord(z.enum(collectionSettingNames), z.enum(['operator', 'keys', 'both']))
      .describe(
        'Who has set what is not the default: the operator with the admin token, keys of the collection, or both.',
      ),
    operator: z
      .object(settings)
      .partial()
      .describe(
        'What the operator has set: it binds the keys of the collection, as the description of each setting says.',
      ),
  })
  .meta({ id: 'CollectionSettings' })

/** A change: a value sets, null resets to the default, an absent one stays; likewise for members of a budget. */
export const setCollectionSettingsSchema = z
  .strictObject(settings, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownSetting(issue.keys) : undefined),
  })
  .partial()
  .meta({ id: 'SetCollectionSettings' })

/** The settings that are in force. */
export type CollectionSettings = Omit<z.infer<typeof collectionSettingsSchema>, 'set_by' | 'operator'>
export type ShownSettings = z.infer<typeof collectionSettingsSchema>
export type SetCollectionSettings = z.infer<typeof setCollectionSettingsSchema>
export type Budget = z.infer<typeof budget>

/** Parses a collection's stored settings. */
export const readCollectionSettings = (text: string | null): Partial<CollectionSettings> =>
  text === null ? {} : (JSON.parse(text) as Partial<CollectionSettings>)

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const merged = (before: Record<string, unknown>, change: Record<string, unknown>): Record<string, unknown> => {
  const after = { ...before }
  for (const [name, value] of Object.entries(change)) {
    const was = before[name]
    const set = isObject(value) ? merged(isObject(was) ? was : {}, value) : value
    if (set === null || set === undefined || (isObject(set) && Object.keys(set).length === 0)) delete after[name]
    else after[name] = set
  }
  return after
}

/** Merges a change: of an object only the given members change, so that no other limit is lost. */
export const changedSettings = (
  before: Partial<CollectionSettings>,
  change: SetCollectionSettings,
): Partial<CollectionSettings> => merged(before, withOneAddress(change)) as Partial<CollectionSettings>

/** A receiver has one address: setting it clears the variable that named it before, and the other way round. */
const withOneAddress = (change: SetCollectionSettings): SetCollectionSettings => {
  const { webhook } = change
  if (webhook?.url) return { ...change, webhook: { ...webhook, url_variable: null } }
  return webhook?.url_variable ? { ...change, webhook: { ...webhook, url: null } } : change
}

/** All settings by name, null for the default, also within a budget. */
export const shownSettings = (set: Partial<CollectionSettings>): CollectionSettings => ({
  ...(Object.fromEntries(collectionSettingNames.map((name) => [name, null])) as CollectionSettings),
  ...set,
  budget: set.budget ? { usd_per_day: null, tokens_per_day: null, ...set.budget } : null,
  webhook: set.webhook
    ? { url: null, url_variable: null, secret_variable: null, statuses: null, format: null, ...set.webhook }
    : null,
  trace_export: set.trace_export ? { url: null, headers: null, contents: null, ...set.trace_export } : null,
  retention: set.retention
    ? { runs: null, bytes: null, keep_labels: null, labels: null, tasks: null, ...set.retention }
    : null,
  quota: set.quota ? { stored_bytes: null, runs: null, ...set.quota } : null,
  run_budget: set.run_budget ? { usd: null, ...set.run_budget } : null,
})
