import { z } from 'zod'

/** What the data registry stores beside tasks. */
export type EntityKind = 'dataset' | 'trained_model'

/** What can be the end of a relationship. */
export const entityTypes = ['dataset', 'trained_model', 'task'] as const
export type EntityType = (typeof entityTypes)[number]

/** The answer to a deletion. */
export const deletedEntitySchema = z.object({ message: z.string() }).meta({ id: 'DeletedEntity' })
