/** A bucket of an S3-compatible object storage, and where in it the files are. */
export interface BucketLocation {
  kind: 's3'
  bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  prefix: string
  /** Origin of the server; undefined: that of AWS in the region. */
  endpoint: string | undefined
  /** Undefined: that of the environment, or us-east-1. */
  region: string | undefined
  /** Whether the bucket stands in the path of a URL, instead of its host name. */
  isPathStyle: boolean
}

/** Where the bytes of files are stored: in the data folder, or in a bucket. */
export type StorageLocation = { kind: 'disk' } | BucketLocation

const options = new Set(['endpoint', 'region', 'path_style'])
const bucketPattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const prefixPattern = /^[\w.-]+(\/[\w.-]+)*$/

/** Returns the origin of an endpoint; undefined if the text is not exactly an origin. */
const originOf = (text: string): string | undefined => {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isOrigin = url.pathname === '/' && url.search === '' && url.hash === '' && url.username + url.password === ''
  return isOrigin && (url.protocol === 'http:' || url.protocol === 'https:') ? url.origin : undefined
}

/**
 * Parses `disk` or `s3://bucket/prefix?endpoint=…&region=…&path_style=…`; undefined for anything else, also for a URL with
 * a user name or password.
 */
export const parseStorageLocation = (text: string): StorageLocation | undefined => {
  if (text === 'disk') return { kind: 'disk' }
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, hostname: bucket, port, pathname, searchParams, hash } = new URL(text)
  if (protocol !== 's3:' || username || password || port || hash || !bucketPattern.test(bucket)) return undefined
  const prefix = pathname.replace(/^\/+|\/+$/g, '')
  if (prefix !== '' && !prefixPattern.test(prefix)) return undefined
  if ([...searchParams.keys()].some((name) => !options.has(name))) return undefined
  const endpoint = searchParams.get('endpoint')
  const origin = endpoint === null ? undefined : originOf(endpoint)
  if (endpoint !== null && origin === undefined) return undefined
  const region = searchParams.get('region') ?? undefined
  if (region !== undefined && !/^[\w-]+$/.test(region)) return undefined
  const style = searchParams.get('path_style')
  if (style !== null && style !== 'true' && style !== 'false') return undefined
  // A bucket with dots in its name does not match the certificate of AWS as a host name.
  const isPathStyle = style === null ? endpoint !== null || bucket.includes('.') : style === 'true'
  return { kind: 's3', bucket, prefix, endpoint: origin, region, isPathStyle }
}

/** Writes a location as people know it: `disk`, or `s3://bucket/prefix`. */
export const shownLocation = (location: StorageLocation): string =>
  location.kind === 'disk' ? 'disk' : `s3://${location.bucket}${location.prefix && `/${location.prefix}`}`
