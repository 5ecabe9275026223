/** What a bucket holds and which requests it refuses, as S3 does. */
import { createHash, randomBytes } from 'node:crypto'

export interface S3Reply {
  status: number
  code?: string
  headers?: Record<string, string>
  body?: string | Buffer
}

interface Stored {
  bytes: Buffer
  etag: string
  atMs: number
  /** `x-amz-meta-…` of the request that wrote it. */
  metadata?: Record<string, string>
}

export interface BucketRequest {
  method: string
  key: string
  query: URLSearchParams
  headers: Record<string, string | undefined>
  body: Buffer
}

export interface FakeBucket {
  objects: Map<string, Stored>
  uploads: Map<string, { key: string; atMs: number; parts: Map<number, Stored>; metadata?: Record<string, string> }>
  answer(request: BucketRequest): S3Reply
}

export interface BucketRules {
  /** Of all parts but the last; S3: 5 MiB. */
  leastPartBytes: number
  /** Most objects in one answer; S3: 1,000, or fewer as it likes. */
  pageSize: number
  /** Clock of the bucket. */
  now(): number
}

const md5 = (data: Uint8Array) => createHash('md5').update(data)
const asText = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const tag = (name: string, text: string) => `<${name}>${asText(text)}</${name}>`
const metadataOf = (headers: BucketRequest['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value = '']) => (name.startsWith('x-amz-meta-') ? [[name, value]] : [])),
  )
const refuse = (status: number, code: string): S3Reply => ({ status, code })

export const makeBucket = (rules: BucketRules): FakeBucket => {
  const objects: FakeBucket['objects'] = new Map()
  const uploads: FakeBucket['uploads'] = new Map()
  const stored = (bytes: Buffer): Stored => ({ bytes, etag: `"${md5(bytes).digest('hex')}"`, atMs: rules.now() })
  const iso = (ms: number) => new Date(ms).toISOString()

  const read = (request: BucketRequest): S3Reply => {
    const reply = readObject(request)
    const asked = [...request.query].filter(([name]) => name.startsWith('response-'))
    const replaced = Object.fromEntries(asked.map(([name, value]) => [name.slice('response-'.length), value]))
    return reply.code === undefined ? { ...reply, headers: { ...reply.headers, ...replaced } } : reply
  }

  const readObject = ({ method, key, headers }: BucketRequest): S3Reply => {
    const found = objects.get(key)
    if (!found) return refuse(404, 'NoSuchKey')
    const { bytes, etag, metadata } = found
    const [, from = '', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
    if (from === '')
      return { status: 200, headers: { ...metadata, etag, 'content-length': String(bytes.length) }, body: bytes }
    const [start, end] = [Number(from), Math.min(to === '' ? bytes.length : Number(to) + 1, bytes.length)]
    if (start >= bytes.length) return refuse(416, 'InvalidRange')
    const part = bytes.subarray(start, end)
    const range = { etag, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
    return {
      status: 206,
      headers: { ...range, 'content-length': String(part.length) },
      body: method === 'HEAD' ? '' : part,
    }
  }

  const write = ({ key, headers, body }: BucketRequest): S3Reply => {
    if (headers['if-none-match'] === '*' && objects.has(key)) return refuse(412, 'PreconditionFailed')
    const object = { ...stored(body), metadata: metadataOf(headers) }
    objects.set(key, object)
    return { status: 200, headers: { etag: object.etag } }
  }

  const writePart = ({ key, query, body }: BucketRequest): S3Reply => {
    const upload = uploads.get(query.get('uploadId') ?? '')
    const number = Number(query.get('partNumber'))
    if (upload?.key !== key) return refuse(404, 'NoSuchUpload')
    if (!(number >= 1 && number <= 10_000)) return refuse(400, 'InvalidArgument')
    const part = stored(body)
    upload.parts.set(number, part)
    return { status: 200, headers: { etag: part.etag } }
  }

  const complete = ({ key, query, headers, body }: BucketRequest): S3Reply => {
    const id = query.get('uploadId') ?? ''
    const upload = uploads.get(id)
    if (upload?.key !== key) return refuse(404, 'NoSuchUpload')
    if (headers['if-none-match'] === '*' && objects.has(key)) return refuse(412, 'PreconditionFailed')
    const listed = [...body.toString().matchAll(/<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag><\/Part>/g)]
    const parts = listed.map(([, number, etag]) => ({
      number: Number(number),
      etag,
      part: upload.parts.get(Number(number)),
    }))
    if (parts.length === 0) return refuse(400, 'MalformedXML')
    if (parts.some(({ part, etag }) => part?.etag !== etag)) return refuse(400, 'InvalidPart')
    if (parts.some(({ number }, at) => at > 0 && number <= (parts[at - 1]?.number ?? 0)))
      return refuse(400, 'InvalidPartOrder')
    const small = parts.slice(0, -1).some(({ part }) => (part?.bytes.length ?? 0) < rules.leastPartBytes)
    if (small) return refuse(400, 'EntityTooSmall')
    const whole = stored(Buffer.concat(parts.map(({ part }) => part?.bytes ?? Buffer.alloc(0))))
    const digests = Buffer.concat(parts.map(({ etag = '' }) => Buffer.from(etag.replaceAll('"', ''), 'hex')))
    objects.set(key, {
      ...whole,
      metadata: upload.metadata ?? {},
      etag: `"${md5(digests).digest('hex')}-${parts.length}"`,
    })
    uploads.delete(id)
    return { status: 200, body: '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>' }
  }

  const list = ({ query }: BucketRequest): S3Reply => {
    if (query.get('list-type') !== '2') return refuse(400, 'InvalidArgument')
    const after = Buffer.from(query.get('continuation-token') ?? '', 'base64').toString()
    const all = [...objects.keys()].filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after).sort()
    const page = all.slice(0, Math.min(rules.pageSize, Number(query.get('max-keys') ?? 1000)))
    const isTruncated = page.length < all.length
    const items = page.map((key) => {
      const { atMs, bytes } = objects.get(key) as Stored
      return `<Contents>${tag('Key', key)}${tag('LastModified', iso(atMs))}${tag('Size', String(bytes.length))}</Contents>`
    })
    const next = isTruncated ? tag('NextContinuationToken', Buffer.from(page.at(-1) ?? '').toString('base64')) : ''
    return {
      status: 200,
      body: `<ListBucketResult>${tag('IsTruncated', String(isTruncated))}${next}${items.join('')}</ListBucketResult>`,
    }
  }

  const listUploads = (): S3Reply => {
    const items = [...uploads].map(
      ([id, { key, atMs }]) =>
        `<Upload>${tag('Key', key)}${tag('UploadId', id)}${tag('Initiated', iso(atMs))}</Upload>`,
    )
    return { status: 200, body: `<ListMultipartUploadsResult>${items.join('')}</ListMultipartUploadsResult>` }
  }

  const removeMany = ({ headers, body }: BucketRequest): S3Reply => {
    if (headers['content-md5'] !== md5(body).digest('base64'))
      return refuse(400, headers['content-md5'] ? 'BadDigest' : 'InvalidRequest')
    const keys = [...body.toString().matchAll(/<Object><Key>([^<]*)<\/Key><\/Object>/g)].map(([, key = '']) => key)
    if (keys.length === 0 || keys.length > 1000) return refuse(400, 'MalformedXML')
    for (const key of keys) objects.delete(key)
    return { status: 200, body: '<DeleteResult></DeleteResult>' }
  }

  const post = (request: BucketRequest): S3Reply => {
    const { key, query, headers } = request
    if (query.has('delete')) return removeMany(request)
    if (query.has('uploadId')) return complete(request)
    if (!query.has('uploads')) return refuse(405, 'MethodNotAllowed')
    const id = randomBytes(16).toString('base64') // with + and /, as real ones may have
    uploads.set(id, { key, atMs: rules.now(), parts: new Map(), metadata: metadataOf(headers) })
    return {
      status: 200,
      body: `<InitiateMultipartUploadResult>${tag('UploadId', id)}</InitiateMultipartUploadResult>`,
    }
  }

  const remove = ({ key, query }: BucketRequest): S3Reply => {
    const id = query.get('uploadId')
    if (id !== null) return uploads.delete(id) ? { status: 204 } : refuse(404, 'NoSuchUpload')
    objects.delete(key)
    return { status: 204 }
  }

  return {
    objects,
    uploads,
    answer(request) {
      const { method, key, query } = request
      if (method === 'POST') return post(request)
      if (method === 'DELETE') return remove(request)
      if (method === 'PUT') return query.has('uploadId') ? writePart(request) : write(request)
      if (key !== '') return read(request)
      return query.has('uploads') ? listUploads() : list(request)
    },
  }
}
