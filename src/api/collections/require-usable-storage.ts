import { invalidField } from '../../lib/errors.ts'
import { bucketStorageSchema } from '../../model/collections/bucket-storage.ts'

/** Throws a 422 when the provider is `s3` and the JSON text of `storage_info` does not name a bucket and its keys. */
export const requireUsableStorage = (provider: string, info: string | null): void => {
  if (provider !== 's3') return
  const { error } = bucketStorageSchema.safeParse(info === null ? {} : JSON.parse(info))
  const [issue] = error?.issues ?? []
  if (!issue) return
  const names = issue.path.filter((name) => typeof name !== 'symbol')
  const why = issue.message.startsWith('Expected') ? issue.message : 'Required with storage_provider s3: a text'
  throw invalidField(['body', 'storage_info', ...names], why, 'invalid')
}
