import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import {
  belowSchema,
  createdKeySchema,
  createKeySchema,
  keySchema,
  updateKeySchema,
} from '../../model/collections/key.ts'
import { skipSchema } from '../../model/names.ts'

const tag = 'API keys'
const access = 'write'

export const keysContract = {
  createKey: endpoint({
    method: 'POST',
    path: '/api/v1/api-keys',
    summary: 'Make a key for one or more collections; it is shown in this answer and never again',
    tag,
    access,
    body: createKeySchema,
    response: createdKeySchema,
    errors: ['already_exists', 'not_found'],
  }),
  listKeys: endpoint({
    method: 'GET',
    path: '/api/v1/api-keys/collection/{collection}',
    summary: 'The keys that cover a collection, newest first',
    tag,
    access,
    collectionMissing: "Collection '{collection}' not found",
    query: z.object({ skip: skipSchema, limit: z.coerce.number().int().min(1).max(500).default(500) }),
    response: z.array(keySchema),
  }),
  getKey: endpoint({
    method: 'GET',
    path: '/api/v1/api-keys/{id}',
    summary: 'One key, without the key itself',
    tag,
    access,
    response: keySchema,
    errors: ['not_found'],
  }),
  updateKey: endpoint({
    method: 'PUT',
    path: '/api/v1/api-keys/{id}',
    summary: 'Rename a key, set its home, or switch it off and on; acts at its next request',
    tag,
    access,
    query: z.object({ below: belowSchema }),
    body: updateKeySchema,
    response: keySchema,
    errors: ['already_exists', 'not_found'],
  }),
  deleteKey: endpoint({
    method: 'DELETE',
    path: '/api/v1/api-keys/{id}',
    summary: 'Delete a key',
    tag,
    access,
    query: z.object({ below: belowSchema }),
    response: z.object({
      message: z.string(),
      deleted: z.array(z.int()).describe('Ids of the keys that are deleted.'),
      left: z.array(z.int()).describe('Ids of keys that were made with it, and go on.'),
    }),
    errors: ['not_found'],
  }),
}
