import type { EntityKind } from './entity.ts'

/** A dataset or model that a step registers as made by its run. What is left out keeps what is stored. */
export interface NewProduct {
  kind: EntityKind
  name: string
  /** Members as the API takes them, such as `long_description`. */
  fields: Readonly<Record<string, unknown>>
  /** Items of a dataset; `replace` removes the others. */
  items?: { id?: string | undefined; data: Record<string, unknown> }[] | undefined
  mode?: 'upsert' | 'replace'
  /** Storage paths of files of the collection, which are copied into a dataset. */
  files?: readonly string[]
  /** What it was made from, as `type/collection/name`. */
  madeFrom?: readonly string[]
  /** How it was made, such as `training`. */
  activityName: string
}

/** The run, and the step of it, that registers a product. */
export interface ProductMaker {
  runKey: string
  trajectoryId: string
  task: string
  taskId: number
  collectionId: number
  collection: string
  step: string
  /** Fires when the step is over before its time. */
  signal: AbortSignal
}

/** What registering came to. */
export interface RegisteredProduct {
  name: string
  collection: string
  /** Index of the version that the run made, or found to be the same. */
  version: number
  /** Whether it did not exist before. */
  created: boolean
  added: number
  changed: number
  removed: number
  unchanged: number
  /** Items of the newest version of a dataset. */
  count: number
  /** Files that were added; those with bytes that it has already are not. */
  files: number
}

export type RegisterProduct = (maker: ProductMaker, product: NewProduct) => Promise<RegisteredProduct>
