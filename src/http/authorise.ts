import { AppError } from '../lib/errors.ts'
import { covers, type FoundCollection, type FoundTask, type Identity } from '../model/identity.ts'
import type { Endpoint } from './endpoint.ts'

/** How http learns who calls and which collection is meant: handed in, since http knows no store. */
export interface Gate {
  /** Checks the value of an Authorization header. Throws `unauthenticated`, or `rate_limited`, with the text to send. */
  authenticate(header: string, address?: string): Promise<Identity>
  /** Counts the call. Throws `rate_limited` where the identity has made too many. */
  limit?(identity: Identity, collection: FoundCollection | undefined): Promise<void>
  /** Case-insensitive; undefined for unknown and for illegal names. */
  findCollection(name: string): Promise<FoundCollection | undefined>
  /** The same with a task in it: one question for both. The task is undefined where the collection has none so called. */
  findTask(
    collection: string,
    task: string,
  ): Promise<{ collection: FoundCollection; task: FoundTask | undefined } | undefined>
}

export interface Admission {
  identity: Identity | undefined
  collection: FoundCollection | undefined
  task: FoundTask | undefined
}

/** Throws 401 without an identity and 403 where it does not cover the collection. */
export const requireScope = (identity: Identity | undefined, collectionId: number): void => {
  if (!identity) throw new AppError('unauthenticated', 'Not authenticated')
  if (!covers(identity, collectionId)) throw new AppError('forbidden', 'API key not valid for this collection')
}

const requireLevel = (identity: Identity, needed: Endpoint['access']): void => {
  if (needed === 'admin' && identity.access !== 'ADMIN') throw new AppError('forbidden', 'Admin access required')
  if (needed === 'write' && identity.access === 'READ') {
    throw new AppError('forbidden', 'Access level WRITE required.')
  }
}

const collectionName = (endpoint: Endpoint, params: Record<string, string>): string | undefined => {
  if (endpoint.collection === 'path') return params.collection
  return endpoint.collection === 'storage_path' ? params.path?.split('/', 1)[0] : undefined
}

const missing = (endpoint: Endpoint, params: Record<string, string>): AppError =>
  new AppError(
    'not_found',
    endpoint.collectionMissing.replace(/\{(\w+)\}/g, (whole, name: string) => params[name] ?? whole),
  )

const findPlace = async (gate: Gate, endpoint: Endpoint, name: string, task: string) =>
  endpoint.task ? gate.findTask(name, task) : { collection: await gate.findCollection(name), task: undefined }

/**
 * The one place that decides who may call what, from the endpoint's declaration alone: 401, then 429 for one call too
 * many, then 404 for an unknown collection, then 403 for one out of scope, then 403 for a level that is too low.
 */
export const admit = async (
  gate: Gate,
  endpoint: Endpoint,
  params: Record<string, string>,
  header: string | undefined,
  address?: string,
): Promise<Admission> => {
  const { access } = endpoint
  if (header === undefined && access !== 'none' && access !== 'optional') {
    throw new AppError('unauthenticated', 'Not authenticated')
  }
  const name = collectionName(endpoint, params)
  const [identity, place] = await Promise.all([
    header === undefined || access === 'none' ? undefined : gate.authenticate(header, address),
    name === undefined ? undefined : findPlace(gate, endpoint, name, params.task ?? ''),
  ])
  const collection = place?.collection
  if (identity && gate.limit) await gate.limit(identity, collection)
  if (name !== undefined && !collection) throw missing(endpoint, params)
  if (identity) {
    if (collection && access !== 'optional') requireScope(identity, collection.id)
    requireLevel(identity, access)
  }
  return { identity, collection, task: place?.task }
}
