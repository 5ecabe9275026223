import { z } from 'zod'

const isOrigin = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, pathname, search, hash, username, password } = new URL(text)
  return (
    (protocol === 'https:' || protocol === 'http:') && pathname === '/' && search + hash + username + password === ''
  )
}

const withoutDots = (prefix: string): boolean => !prefix.split('/').some((part) => part === '.' || part === '..')

/** The `storage_info` of a collection whose `storage_provider` is `s3`. Other members are kept and ignored. */
export const bucketStorageSchema = z.object({
  bucket: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/,
      'Expected the name of a bucket: 3 to 63 of a-z, 0-9, ".", "_" and "-"',
    ),
  path_prefix: z
    .string()
    .max(500)
    .transform((prefix) => prefix.replace(/^\/+|\/+$/g, ''))
    .refine(
      (prefix) => prefix === '' || (/^[\w.-]+(\/[\w.-]+)*$/.test(prefix) && withoutDots(prefix)),
      'Expected segments of letters, digits, ".", "_" and "-", such as team/data',
    )
    .nullish(),
  region: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'Expected a region, such as eu-west-1')
    .nullish(),
  endpoint: z
    .string()
    .max(300)
    .refine(isOrigin, 'Expected the origin of a storage, such as https://storage.googleapis.com')
    .nullish(),
  access_key_id: z.string().regex(/^[\x21-\x7e]{1,256}$/, 'Expected an access key, without spaces'),
  secret_access_key: z.string().regex(/^[\x21-\x7e]{1,1024}$/, 'Expected a secret key, without spaces'),
})
export type BucketStorage = z.output<typeof bucketStorageSchema>
