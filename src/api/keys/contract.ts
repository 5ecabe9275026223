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
    summary: 'Create a key for one or more collections; only this response contains the key itself',
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
    summary:
      'Rename a key, set its home collection or expiry, or disable or enable it; takes effect at its next request',
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
      deleted: z.array(z.int()).describe('Ids of the deleted keys.'),
      left: z.array(z.int()).describe('Ids of keys that were created with it and are still valid.'),
    }),
    errors: ['not_found'],
  }),
}
