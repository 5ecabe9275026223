import type { Handlers } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { removeEntityTag, setEntityTag } from '../../store/entities/entity-versions.ts'
import { getEntity } from '../entities/find.ts'
import { getEntityVersion } from '../entities/versions.ts'
import type { itemsContract } from './contract.ts'

type OfTags = 'setDatasetTag' | 'deleteDatasetTag'

const tagPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Answers the operations on the tags of dataset versions. */
export const tagHandlers = ({ database }: { database: Database }): Pick<Handlers<typeof itemsContract>, OfTags> => ({
  setDatasetTag: async ({ collection, params, body, identity, note }) => {
    if (!tagPattern.test(params.tag) || /^[0-9a-f]{64}$/i.test(params.tag)) {
      const message = 'A tag starts with a letter or digit, then up to 99 letters, digits, dots, underscores or hyphens'
      throw new AppError('bad_request', message)
    }
    const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
    const version = await getEntityVersion(database, dataset, body.version)
    await setEntityTag(database, dataset.id, { tag: params.tag, seq: version.seq, author: authorOf(identity) })
    note({ changes: { version: version.seq } })
    return { tag: params.tag, version: version.seq, content_hash: version.content_hash }
  },

  deleteDatasetTag: async ({ collection, params }) => {
    const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
    if (await removeEntityTag(database, dataset.id, params.tag)) return { message: 'Tag deleted successfully' }
    throw new AppError('not_found', `Version tag '${params.tag}' not found`)
  },
})
