import { AppError } from '../../lib/errors.ts'
import type { NewProduct, ProductMaker, RegisteredProduct, RegisterProduct } from '../../model/data/product.ts'
import { type EntityRow, findEntity, findEntityById } from '../../store/entities/entities.ts'
import { type EntityNode, ensureRelationship, findNode, readNodes } from '../../store/entities/relationships.ts'
import { noteRunProduct } from '../../store/entities/run-products.ts'
import { createEntity, newestItems, updateEntity } from '../../store/entities/write-entity.ts'
import { requireItemsFit, requireUsableSchema } from '../items/item-schema.ts'
import { type StoreItemsDeps, storeItems } from '../items/store-items.ts'
import { type CopyFilesDeps, copyFiles } from './copy-files.ts'
import { emptyFields, storedFields } from './fields.ts'

type RegisterDeps = StoreItemsDeps & CopyFilesDeps

const words = { dataset: 'dataset', trained_model: 'model' } as const
const nothing = { added: 0, changed: 0, removed: 0, unchanged: 0, count: 0 }

/** Versions that a step made name the run. */
const authorOfRun = ({ trajectoryId }: ProductMaker): string => `run:${trajectoryId}`

const goneMeanwhile = ({ kind, name }: NewProduct) =>
  new AppError('not_found', `The ${words[kind]} '${name}' was deleted while it was registered`)

/** Creates the entity, or changes the given fields of the one with its name. */
const writeFields = async (
  { database, quota }: RegisterDeps,
  maker: ProductMaker,
  product: NewProduct,
): Promise<{ row: EntityRow; created: boolean }> => {
  const { kind, name } = product
  const body = { ...product.fields, name }
  const text = JSON.stringify(body)
  requireUsableSchema(product.fields.item_schema, () => {})
  const fields = storedFields(body, text)
  const at = { kind, collectionId: maker.collectionId }
  const author = authorOfRun(maker)
  await quota.require(maker.collectionId, 0)
  const found = await findEntity(database, { ...at, name })
  const made = found ? 'taken' : await createEntity(database, { ...at, author }, { ...emptyFields(name), ...fields })
  if (made === 'gone') throw goneMeanwhile(product)
  if (made !== 'taken') {
    quota.add(maker.collectionId, { databaseBytes: Buffer.byteLength(text) })
    return { row: made, created: true }
  }
  const before = found ?? (await findEntity(database, { ...at, name }))
  const { name: _, ...changed } = fields // its name stays as it is spelled
  const check: Parameters<typeof updateEntity>[3]['check'] = (locked, queries) =>
    requireItemsFit(queries, locked, changed.item_schema)
  const row = before && (await updateEntity(database, before.id, changed, { author, check }))
  if (!before || !row || row === 'taken') throw goneMeanwhile(product)
  if (row.version > before.version) quota.add(maker.collectionId, { databaseBytes: Buffer.byteLength(text) })
  return { row, created: false }
}

/** Finds what the product was made from: entities of the run's collection, and public ones. */
const sourcesOf = async ({ database }: RegisterDeps, maker: ProductMaker, texts: readonly string[]) => {
  const found: EntityNode[] = []
  for (const text of texts) {
    const [type = '', collection = '', name = '', ...rest] = text.split('/')
    const node = rest.length > 0 ? undefined : await findNode(database, { type, collection, name })
    if (!node || (node.is_private && node.collection_id !== maker.collectionId)) {
      throw new AppError('not_found', `There is no '${text}' to have made something from`, {
        hint: `Write made_from as type/collection/name, such as dataset/${maker.collection}/questions.`,
      })
    }
    found.push(node)
  }
  return found
}

const link = async (
  { database }: RegisterDeps,
  maker: ProductMaker,
  { row, sources, activity }: { row: EntityRow; sources: readonly EntityNode[]; activity: string },
): Promise<void> => {
  const tasks = await readNodes(database, [], [maker.taskId])
  const target: EntityNode = { ...row, type: row.kind }
  for (const source of [...tasks, ...sources]) {
    if (source.type === target.type && source.id === target.id) continue // a dataset that grows is made from itself
    await ensureRelationship(database, { source, target, activity }, authorOfRun(maker))
  }
}

/**
 * Makes the function by which a step registers a dataset or model. Doing it again with the same content makes no new
 * version, so a step that is executed twice after a crash registers once.
 */
export const makeRegisterProduct =
  (deps: RegisterDeps): RegisterProduct =>
  async (maker, product): Promise<RegisteredProduct> => {
    const { database } = deps
    const author = authorOfRun(maker)
    const sources = await sourcesOf(deps, maker, product.madeFrom ?? [])
    const { row, created } = await writeFields(deps, maker, product)
    const files = product.files?.length
      ? await copyFiles(deps, row, { paths: product.files, author, signal: maker.signal })
      : undefined
    const given = product.items?.map((item) => ({ ...item, source: sourceOf(maker) }))
    const loc = (at: number) => ['items', at]
    const written = given && (await storeItems(deps, row, { given, mode: product.mode ?? 'upsert', author, loc }))
    const newest = await findEntityById(database, row.id)
    if (!newest) throw goneMeanwhile(product)
    const version = written?.version ?? files?.version ?? row.version // others may have made newer ones meanwhile
    await noteRunProduct(database, { runKey: maker.runKey, entityId: row.id, seq: version, step: maker.step })
    await link(deps, maker, { row: newest, sources, activity: product.activityName })
    const count = written?.count ?? (await newestItems(database, newest))?.count ?? 0
    const { name, collection_name: collection } = newest
    return { ...nothing, ...written, name, collection, version, created, count, files: files?.added ?? 0 }
  }

const sourceOf = ({ collection, task, trajectoryId }: ProductMaker) => ({
  ...{ collection, task, trajectory_id: trajectoryId, output_path: null, corrected: false },
})
