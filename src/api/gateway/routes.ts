import type { IncomingHttpHeaders } from 'node:http'
import type { Gateway, ModelCall, SaidInPath } from '../../gateway/gateway.ts'
import { collectionNotFound, coveredOnly } from '../../http/authorise.ts'
import {
  implement,
  implementScoped,
  type ReadScopedBody,
  type Route,
  type ScopedBody,
  type ScopedCall,
  type SentPath,
} from '../../http/implement.ts'
import type { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { type FoundCollection, homeOf, type Identity } from '../../model/collections/identity.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import type { ModelScope, Models, RoutableModel } from '../../providers/provider.ts'
import { makeSettingsReader } from '../../store/collections/collections.ts'
import { readEnvironment } from '../../store/collections/environments.ts'
import type { Database } from '../../store/database/database.ts'
import { readSent, type SentChat } from '../runbook-chat/read.ts'
import { gatewayContract, operationShapes, realtimeContract, routableModelsContract } from './contract.ts'

interface RoutableModelsDeps {
  database: Database
  sealer: Sealer
  findCollection(name: string): Promise<FoundCollection | undefined>
  models: Pick<Models, 'listed' | 'ownerOf' | 'describe'>
}

interface Asked {
  identity: Identity
  query: { collection?: string | undefined; details: boolean }
  headers: IncomingHttpHeaders
}

export const routableModelsRoutes = ({ database, sealer, findCollection, models }: RoutableModelsDeps): Route[] => {
  const meant = async (identity: Identity, name: string | undefined): Promise<readonly number[]> => {
    const home = homeOf(identity)
    if (!name) return home === undefined ? identity.collectionIds : [home]
    const collection = coveredOnly(identity, await findCollection(name))
    if (!collection) throw collectionNotFound()
    return [collection.id]
  }
  const settingsOf = makeSettingsReader(database)
  /** The collections whose keys count, as models are listed for them. */
  const placesFor = async ({ identity, query, headers }: Asked): Promise<ModelScope[]> => {
    const ids = await meant(identity, query.collection ?? headers['x-jetty-collection']?.toString())
    return Promise.all(
      ids.map(async (id) => {
        const [variables, settings] = await Promise.all([readEnvironment(database, sealer, id), settingsOf(id)])
        return { env: (name: string) => variables.get(name), allowedHosts: settings.allowed_hosts ?? undefined }
      }),
    )
  }
  const shown = ({ id, owned_by }: RoutableModel) => ({
    ...{ id, object: 'model' as const, created: 0, owned_by },
    ...{ type: 'model' as const, display_name: id, created_at: '1970-01-01T00:00:00Z' },
  })

  return implement(routableModelsContract, {
    async listRoutableModels(call) {
      const found = await models.listed(await placesFor(call))
      const details = call.query.details ? await models.describe(found) : []
      const data = found.map((model, at) => ({ ...shown(model), ...details[at] }))
      const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
      return { object: 'list' as const, data, has_more: false as const, ...ends }
    },
    getRoutableModel: async (call) => {
      const owner = models.ownerOf(call.params.model, await placesFor(call))
      if (owner) return { ...shown(owner), ...(call.query.details && (await models.describe([owner]))[0]) }
      throw new AppError('not_found', `No available key can serve the model '${call.params.model}'`, {
        hint: 'List the available models with GET /v1/models.',
      })
    },
  })
}

interface GatewayRoutesDeps {
  gateway: Gateway
  /** Answers a chat that asks for a runbook. */
  runbookChat(call: ScopedCall<SentChat>): Promise<Reply>
}

/** Tells whether a call is a chat with a runbook: its body has `sent`, that of every other call `asked`. */
const isForRunbook = (call: ScopedCall<ScopedBody>): call is ScopedCall<SentChat> => 'sent' in call.body

const googleMethods: Readonly<Record<string, Shape>> = {
  generateContent: 'gemini',
  streamGenerateContent: 'gemini',
  countTokens: 'gemini_tokens',
}

/** Reads the end of a path such as `gemini-2.5-flash:generateContent`. */
const googleCallOf = ({ params: { call = '' }, target }: SentPath): SaidInPath & { shape: Shape } => {
  const at = call.lastIndexOf(':')
  const method = call.slice(at + 1)
  const shape = at > 0 && Object.hasOwn(googleMethods, method) ? googleMethods[method] : undefined
  if (!shape) {
    throw new AppError('not_found', `There is no method '${method.slice(0, 100)}' of a model here`, {
      hint: `The path ends with the model and one of :${Object.keys(googleMethods).join(', :')}.`,
    })
  }
  const stream = method === 'streamGenerateContent'
  const isArray = stream && new URLSearchParams(target.split('?', 2)[1]).get('alt') !== 'sse'
  return { shape, model: call.slice(0, at), stream, isArray }
}

/** A WebSocket is not accepted either: a request for one gets the same answer. */
const realtimeRoutes = (): Route[] =>
  implement(realtimeContract, {
    async connectRealtime() {
      throw new AppError('not_supported', 'This server has no realtime API', {
        hint: 'Send audio to /v1/audio/transcriptions, its text to /v1/chat/completions, and the answer to /v1/audio/speech.',
      })
    },
  })

export const gatewayRoutes = ({ gateway, runbookChat }: GatewayRoutesDeps): Route[] => [
  ...realtimeRoutes(),
  ...Object.entries(gatewayContract).map(([operation, endpoint]) => {
    const read: ReadScopedBody<ScopedBody> = async (bytes, headers, path, room) => {
      const inPath = operation === 'generateContent' ? googleCallOf(path) : undefined
      const shape = inPath?.shape ?? operationShapes[operation as keyof typeof operationShapes]
      const body = await gateway.read(bytes, { headers, shape, inPath, room })
      return 'runbookLabels' in body
        ? readSent(bytes, headers['x-jetty-collection']?.toString(), body.runbookLabels)
        : body
    }
    return implementScoped(operation, endpoint, read, (call) =>
      isForRunbook(call) ? runbookChat(call) : gateway.answer(call as ModelCall),
    )
  }),
]
