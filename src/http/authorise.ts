import { AppError } from '../lib/errors.ts'
import {
  covers,
  type FoundCollection,
  type FoundPlace,
  type FoundTask,
  homeOf,
  type Identity,
} from '../model/collections/identity.ts'
import type { Endpoint } from './endpoint.ts'

/** How http learns who calls and which collection is meant: handed in, since http knows no store. */
export interface Gate {
  /** Checks the value of an Authorization header. Throws `unauthenticated`, or `rate_limited`, with the text to send. */
  authenticate(header: string, address?: string): Promise<Identity>
  /** Counts the call. Throws `rate_limited` where the identity has made too many. */
  limit?(identity: Identity, collection: FoundCollection | undefined): Promise<void>
  /** Whether there is a limit to count for at all. */
  isLimited?(identity: Identity, collection: FoundCollection | undefined): boolean
  /** Case-insensitive; undefined for unknown and for illegal names. */
  findCollection(name: string): Promise<FoundCollection | undefined>
  /** The same by id as well, for calls to models: they need not name the home collection of their key. */
  findPlace?(of: string | number): Promise<FoundPlace | undefined>
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

/** Throws 403 where the level of an identity is too low. */
export const requireLevel = (identity: Identity, needed: Endpoint['access']): void => {
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

/** The admission of a call to a model. */
export interface PlacedAdmission {
  identity: Identity
  collection: FoundPlace
}

const unnamed = (identity: Identity): AppError =>
  new AppError(
    'bad_request',
    identity.kind === 'admin'
      ? 'The admin token covers every collection: name the one that is meant'
      : `This key covers ${identity.collectionIds.length} collections and has no home collection: name the one that is meant`,
    {
      hint:
        'Send the header X-Jetty-Collection, or "jetty": {"collection": "…"} in the body. ' +
        'PUT /api/v1/api-keys/{id} {"home_collection": "…"} sets the default of a key.',
    },
  )

const homeCollection = (identity: Identity): number => {
  const id = identity.kind === 'admin' ? undefined : homeOf(identity)
  if (id === undefined) throw unnamed(identity)
  return id
}

/**
 * The same for a call that names its collection in its header or body, or means the home of its key: 401, then 400
 * where it is not clear which one is meant, then 429, 404, and 403 as in `admit`. `likely` is asked for at the same time
 * as the key, where no name came.
 */
export const admitPlaced = async (
  gate: Gate,
  endpoint: Endpoint,
  name: string | undefined,
  header: string | undefined,
  address: string | undefined,
  likely?: number,
): Promise<PlacedAdmission> => {
  if (header === undefined) throw new AppError('unauthenticated', 'Not authenticated')
  const guess = name ?? likely
  const [identity, guessed] = await Promise.all([
    gate.authenticate(header, address),
    guess === undefined ? undefined : gate.findPlace?.(guess),
  ])
  const meant = name ?? homeCollection(identity)
  const collection = meant === guess ? guessed : await gate.findPlace?.(meant)
  if (gate.limit) await gate.limit(identity, collection)
  if (!collection) throw new AppError('not_found', endpoint.collectionMissing)
  requireScope(identity, collection.id)
  requireLevel(identity, endpoint.access)
  return { identity, collection }
}
