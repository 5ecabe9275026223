import { entityTag, requireMatch } from '../../http/entity-tag.ts'
import { implement, type Route } from '../../http/implement.ts'
import { empty, rawJson } from '../../http/reply.ts'
import { AppError, type FieldIssue, invalidField } from '../../lib/errors.ts'
import { memberText } from '../../lib/json/json-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import {
  changeByKey,
  changeByOperator,
  type SettingsLayers,
  shownLayers,
} from '../../model/collections/bound-settings.ts'
import { bucketStorageSchema } from '../../model/collections/bucket-storage.ts'
import {
  changedSettings,
  collectionSettingNames,
  type SetCollectionSettings,
} from '../../model/collections/collection-settings.ts'
import { mask, maxVariableBytes } from '../../model/collections/environment.ts'
import { authorOf, coveredIds, type Identity, recordedBy } from '../../model/collections/identity.ts'
import { maxVariableNameLength, variableNamePattern } from '../../model/collections/variable-name.ts'
import { listAgents } from '../../store/agents.ts'
import { makeSpentToday } from '../../store/calls/budget.ts'
import {
  changeSettingsLayers,
  countMade,
  createCollection,
  findCollectionRow,
  listCollections,
  openStorageInfo,
  readSettingsLayers,
  setOwner,
  setStorage,
} from '../../store/collections/collections.ts'
import { type DeletionDeps, deleteCollection } from '../../store/collections/deletion.ts'
import {
  changeEnvironment,
  type EnvironmentVariables,
  noteVariables,
  readEnvironment,
  tasksWithVariables,
  variableChanges,
  variablesChanged,
  writeEnvironment,
} from '../../store/collections/environments.ts'
import type { Lending } from '../../store/collections/lending.ts'
import { type Pauses, pauseCollection, readPauses, resumeCollection } from '../../store/collections/pauses.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { type ExpiredOfTask, previewRetention } from '../../store/collections/retention.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { entityListText } from '../entities/find.ts'
import { requireWebhookTarget } from '../webhooks/check-url.ts'
import { collectionsContract, trialContract } from './contract.ts'
import { maskedPlace, shownAgent, shownCollection, shownPauses, shownStorage } from './serialize.ts'
import { collectionSummaries } from './summary.ts'

/** Settings that a key resets to the default, and that the operator has set. */
const resetInVain = (change: SetCollectionSettings, { operator }: SettingsLayers): string[] =>
  collectionSettingNames.filter((name) => change[name] === null && operator[name] !== undefined)

/** Runs that a preview counts. */
const mostPreviewed = 10_000

const shownExpired = ({ task, runs, bytes, reasons, oldest, newest }: ExpiredOfTask) => ({
  ...{ task, runs, bytes },
  by_days: reasons.days,
  by_runs: reasons.runs,
  by_bytes: reasons.bytes,
  by_label: reasons.label,
  oldest: timestamp(oldest),
  newest: timestamp(newest),
})

/** Reserved names: answers nest all variables in `environment_variables`. */
const reserved = new Set(['environment_variables'])

const nameProblem = (name: string): string | undefined => {
  if (name.length > maxVariableNameLength) return `The name is longer than ${maxVariableNameLength} characters`
  if (!variableNamePattern.test(name))
    return 'A name consists of letters, digits and underscores, and does not start with a digit'
  return reserved.has(name) ? 'This name is reserved; choose another one' : undefined
}

const valueProblem = (value: unknown, exists: boolean): string | undefined => {
  if (typeof value === 'object' && value !== null)
    return 'A value must be a text, a number, true, false, or null to delete the variable'
  if (typeof value === 'string' && value.includes('\0'))
    return 'NUL is not allowed: an environment variable cannot contain it'
  if (value === mask && !exists)
    return `'${mask}' keeps the value of an existing variable, but this variable does not exist`
  const tooLong = typeof value === 'string' && Buffer.byteLength(value) > maxVariableBytes
  return tooLong ? 'The value is larger than 64 KiB' : undefined
}

/** Applies a PATCH to the variables; throws a 422 that lists every refused name. */
const changedVariables = (current: EnvironmentVariables, given: Record<string, unknown>): EnvironmentVariables => {
  const next: EnvironmentVariables = new Map(current)
  const issues: FieldIssue[] = []
  for (const [name, value] of Object.entries(given)) {
    if (value === null) {
      next.delete(name)
      continue
    }
    const msg = nameProblem(name) ?? valueProblem(value, current.has(name))
    if (msg) issues.push({ loc: ['body', 'environment_variables', name.slice(0, 200)], msg, type: 'value_error' })
    else if (value !== mask) next.set(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  if (issues.length > 0) throw new AppError('invalid', 'Environment variables are not valid', { issues })
  return next
}

/** Throws a 422 when the provider is `s3` and the JSON text of `storage_info` does not name a bucket and its keys. */
const requireUsableStorage = (provider: string, info: string | null): void => {
  if (provider !== 's3') return
  const { error } = bucketStorageSchema.safeParse(info === null ? {} : JSON.parse(info))
  const [issue] = error?.issues ?? []
  if (!issue) return
  const names = issue.path.filter((name) => typeof name !== 'symbol')
  const why = issue.message.startsWith('Expected') ? issue.message : 'Required with storage_provider s3: a text'
  throw invalidField(['body', 'storage_info', ...names], why, 'invalid')
}

interface CollectionsDeps extends DeletionDeps {
  database: Database
  sealer: Sealer
  settings: { keyCollections: number; allowPrivateNetwork: string[]; rateLimit: number; exposeEnvValues: boolean }
  quota: Pick<Quota, 'of'>
  lending: Lending
  /** What this process knows of pauses. */
  pauses: Pick<Pauses, 'refresh'>
}

/** Maximum page of collections; a larger `limit` is reduced to it. */
const maxCollections = 1000

const found = <Row>(row: Row | undefined): Row => {
  if (!row) throw new AppError('not_found', 'Collection not found')
  return row
}

const pausedByOperator = (reason: string | null): AppError =>
  new AppError('forbidden', `The operator of the server paused the collection${reason ? `: ${reason}` : ''}`, {
    hint: 'Ask the operator to resume it. Only the admin token ends this pause.',
  })

const masked = (variables: EnvironmentVariables): Record<string, string> =>
  Object.fromEntries([...variables.keys()].map((name) => [name, mask]))

/** Shares of the server belong to payers, so collections multiply nothing; but each takes some storage. */
const requireFewCollections = async (queries: Queries, { kind, payer }: Identity, most: number): Promise<void> => {
  if (kind === 'admin' || (await countMade(queries, payer)) < most) return
  throw new AppError('quota_exceeded', `Your keys have made ${most} collections, the most that they may`, {
    hint: 'Use one of them, or ask the operator of the server to delete some, or to raise JETTY_KEY_COLLECTIONS.',
  })
}

/** Describes an object that may hold credentials: at most its first fifty names. */
const namesOf = (object: object): string[] => Object.keys(object).slice(0, 50)

export const collectionsRoutes = (deps: CollectionsDeps): Route[] => {
  const { database, sealer, pauses, settings, quota, lending } = deps
  const spentToday = makeSpentToday(database)
  const shownVariables = (variables: EnvironmentVariables) => {
    const entries = [...variables].map(([name, value]): [string, string] => [
      name,
      settings.exposeEnvValues ? value : mask,
    ])
    return { ...Object.fromEntries(entries), environment_variables: Object.fromEntries(entries) }
  }
  const trial = implement(trialContract, {
    getTrial: ({ collection }) => lending.trial(collection.id),
    activateTrial: ({ collection }) => lending.activate(collection.id),
  })
  const collections = implement(collectionsContract, {
    listCollections: async ({ identity, query }) => {
      if (query.skip < 0 || query.limit < 0) throw new AppError('invalid', 'Invalid pagination parameters')
      const ids = coveredIds(identity)
      const page = { skip: query.skip, limit: Math.min(query.limit, maxCollections) }
      const rows = await listCollections(database, ids, page)
      return query.view === 'summary'
        ? rawJson(JSON.stringify(await collectionSummaries(database, rows)))
        : rows.map(shownCollection)
    },

    getCollection: async ({ collection }) => ({
      ...shownCollection(found(await findCollectionRow(database, collection.id))),
      environment_variables: masked(await readEnvironment(database, sealer, collection.id)),
    }),

    createCollection: async ({ identity, body, bodyText, note }) => {
      const variables = changedVariables(new Map(), body.environment_variables ?? {})
      const info = body.storage_info ? memberText(bodyText, 'storage_info') : undefined
      requireUsableStorage(body.storage_provider, info ?? null)
      const row = await database.transaction(async (queries) => {
        await requireFewCollections(queries, identity, settings.keyCollections)
        const made = await createCollection(queries, {
          name: body.name,
          description: body.description ?? null,
          owner_identifier: identity.kind === 'admin' ? (body.owner_identifier ?? null) : null,
          storage_provider: body.storage_provider,
          keyId: identity.keyId,
        })
        if (made && info) await setStorage(queries, sealer, made.id, { info })
        if (made && variables.size > 0) {
          await writeEnvironment(queries, sealer, made.id, variables)
          const set = { set: [...variables.keys()], removed: [] }
          await noteVariables(queries, made.id, set, recordedBy(identity))
        }
        return made
      })
      if (!row) throw new AppError('already_exists', 'Collection already exists')
      note({
        target: row.name,
        collections: [row],
        changes: {
          storage_provider: row.storage_provider,
          ...(row.owner_identifier === null ? {} : { owner_identifier: row.owner_identifier }),
          ...(body.storage_info ? { storage_info: namesOf(body.storage_info) } : {}),
          ...(variables.size > 0 ? { environment_variables: [...variables.keys()] } : {}),
        },
      })
      return { ...shownCollection(row), environment_variables: masked(variables) }
    },

    deleteCollection: async ({ collection }) => {
      await deleteCollection(database, collection.id, deps)
      return empty()
    },

    getCollectionPauses: async ({ collection }) => shownPauses(await readPauses(database, collection.id)),

    pauseCollection: async ({ collection, identity, body, note }) => {
      const reason = body?.reason?.trim() || null
      note({ changes: { paused: true, reason } })
      const by = identity.kind === 'admin' ? 'operator' : 'key'
      const paused = found(await pauseCollection(database, collection.id, by, { author: authorOf(identity), reason }))
      await pauses.refresh() // the next request here is refused; other processes hear of it
      return shownPauses(paused)
    },

    resumeCollection: async ({ collection, identity, note }) => {
      note({ changes: { paused: false } })
      const before = await readPauses(database, collection.id)
      if (identity.kind !== 'admin' && before.operator && !before.key) throw pausedByOperator(before.operator.reason)
      const by = identity.kind === 'admin' && before.operator ? 'operator' : 'key'
      const left = found(await resumeCollection(database, collection.id, by))
      await pauses.refresh()
      return shownPauses(left)
    },

    setCollectionOwner: async ({ collection, body, note }) => {
      note({ changes: { owner_identifier: body.owner_identifier } })
      return shownCollection(found(await setOwner(database, collection.id, body.owner_identifier)))
    },

    getCollectionStorage: async ({ collection }) =>
      shownStorage(sealer, found(await findCollectionRow(database, collection.id))),

    setCollectionStorage: async ({ collection, body, bodyText, note }) => {
      const given = body.storage_info
      const masked = maskedPlace(given)
      if (masked) {
        const message = `${mask} is only the mask of a value: send the value itself, or omit storage_info`
        throw invalidField(['body', 'storage_info', ...masked], message, 'masked')
      }
      const info = given === undefined ? undefined : given === null ? null : memberText(bodyText, 'storage_info')
      const provider = body.storage_provider === null ? 'default' : body.storage_provider
      note({
        changes: {
          ...(given === undefined ? {} : { storage_info: given && namesOf(given) }),
          ...(provider === undefined ? {} : { storage_provider: provider }),
        },
      })
      if (provider !== undefined || info !== undefined) {
        const row = found(await findCollectionRow(database, collection.id))
        const text = info === undefined ? openStorageInfo(sealer, row) : info
        requireUsableStorage(provider ?? row.storage_provider, text)
      }
      return shownStorage(sealer, found(await setStorage(database, sealer, collection.id, { info, provider })))
    },

    listCollectionDatasets: async ({ collection, query, memory }) => {
      const at = { kind: 'dataset' as const, collectionIds: [collection.id] }
      return rawJson(await entityListText(database, memory, at, query))
    },

    listCollectionAgents: async ({ collection, query }) =>
      (await listAgents(database, collection.id, query)).map(shownAgent),

    getCollectionSettings: async ({ collection, addHeaders }) => {
      const shown = shownLayers(found(await readSettingsLayers(database, collection.id)))
      addHeaders({ etag: entityTag(shown) })
      return shown
    },

    updateCollectionSettings: async (call) => {
      const { collection, identity, body, note } = call
      const receiver = body.webhook?.url
      if (receiver) {
        const { allowed_hosts: hosts = collection.settings?.allowed_hosts } = body
        const allowedHosts = hosts ?? undefined
        const { allowPrivateNetwork } = settings
        requireWebhookTarget(receiver, { allowPrivateNetwork, allowedHosts, field: ['body', 'webhook', 'url'] })
      }
      const changed = await changeSettingsLayers(database, collection.id, (before) => {
        requireMatch(call, entityTag(shownLayers(before)), 'The settings of the collection')
        if (identity.access === 'ADMIN') return changeByOperator(before, body)
        const after = changeByKey(
          before,
          body,
          settings.rateLimit > 0 ? { rate_limit_per_minute: settings.rateLimit } : {},
        )
        if (!('refused' in after)) return after
        const { path, message } = after.refused
        throw new AppError('forbidden', message, { hint: `Omit ${path[0]}, or ask the operator of the server.` })
      })
      const layers = found(changed)
      note({ changes: body })
      for (const name of resetInVain(body, layers)) {
        call.warn({
          field: name,
          message: `${name} stays as the operator of this server has set it`,
          did_you_mean: null,
        })
      }
      const shown = shownLayers(layers)
      call.addHeaders({ etag: entityTag(shown) })
      return shown
    },

    previewRetention: async ({ collection, body, signal }) => {
      const tried = changedSettings(collection.settings ?? {}, body)
      const { tasks, isComplete } = await previewRetention(database, collection.id, tried, mostPreviewed, signal)
      return {
        runs: tasks.reduce((sum, { runs }) => sum + runs, 0),
        bytes: tasks.reduce((sum, { bytes }) => sum + bytes, 0),
        is_complete: isComplete,
        tasks: tasks.map(shownExpired),
      }
    },

    getCollectionUsage: async ({ collection }) => {
      const [{ usage, others, limits, together, measuredAt }, spent] = await Promise.all([
        quota.of(collection.id),
        spentToday(collection.id),
      ])
      return {
        runs: usage.runs,
        stored_bytes: usage.databaseBytes + usage.fileBytes,
        database_bytes: usage.databaseBytes,
        file_bytes: usage.fileBytes,
        quota: { stored_bytes: limits.bytes, runs: limits.runs },
        together: {
          runs: usage.runs + others.runs,
          stored_bytes: usage.databaseBytes + usage.fileBytes + others.bytes,
          quota: { stored_bytes: together.bytes, runs: together.runs },
        },
        measured: measuredAt && timestamp(measuredAt),
        spent_today: { usd: spent.usd, tokens: spent.tokens },
      }
    },

    listVariables: async ({ collection }) => {
      const [variables, changes, uses] = await Promise.all([
        readEnvironment(database, sealer, collection.id),
        variableChanges(database, collection.id),
        tasksWithVariables(database, collection.id),
      ])
      const byName = new Map(changes.map((one) => [one.name, one]))
      const shownOne = (name: string) => ({
        name,
        set_at: timestampOrNull(byName.get(name)?.set_at),
        set_by: byName.get(name)?.set_by ?? null,
        tasks: uses.filter(({ variable }) => variable === name).map(({ task }) => task),
      })
      const missing = uses.filter(({ variable }) => !variables.has(variable))
      return { variables: [...variables.keys()].map(shownOne), missing }
    },

    getEnvironment: async ({ collection }) => shownVariables(await readEnvironment(database, sealer, collection.id)),

    setEnvironment: async ({ collection, body, note, identity }) => {
      const given = body.environment_variables
      if (given === undefined) return shownVariables(await readEnvironment(database, sealer, collection.id))
      const change = (current: EnvironmentVariables) => {
        const next = given === null ? new Map<string, string>() : changedVariables(current, given)
        note({ changes: { ...variablesChanged(current, next) } })
        return next
      }
      const changed = await changeEnvironment(database, sealer, collection.id, change, recordedBy(identity))
      return shownVariables(found(changed))
    },
  })
  return [...collections, ...trial]
}
