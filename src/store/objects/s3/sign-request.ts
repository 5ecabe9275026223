import { AwsV4Signer } from 'aws4fetch'

/** Keys for one account of an S3-compatible storage. */
export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

interface UnsignedRequest {
  method: string
  url: string
  headers: Record<string, string>
  /** SHA-256 of the body in hex: the server refuses other bytes. */
  bodyHash: string
  region: string
  /** Milliseconds since 1970; the server refuses what differs from its clock by 15 minutes. */
  atMs: number
  /** Service of the endpoint; default: s3. */
  service?: string
}

/** Keys derived from the secret, one a day: signing with them takes a quarter of the time. */
const derivedKeys = new Map<string, ArrayBuffer>()
const mostDerivedKeys = 100

/** Signs a request with AWS Signature Version 4. Returns all its headers. */
export const signRequest = async (
  { method, url, headers, bodyHash, region, atMs, service = 's3' }: UnsignedRequest,
  { accessKeyId, secretAccessKey, sessionToken }: S3Credentials,
): Promise<Record<string, string>> => {
  if (derivedKeys.size > mostDerivedKeys) derivedKeys.clear()
  const signer = new AwsV4Signer({
    method,
    url,
    headers: { ...headers, 'x-amz-content-sha256': bodyHash },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service,
    region,
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    cache: derivedKeys,
  })
  return Object.fromEntries((await signer.sign()).headers)
}

interface LinkToSign {
  url: string
  region: string
  atMs: number
  /** How long the link is good; S3: at most a week. */
  seconds: number
}

/** Signs a URL for GET, so that whoever has it may read what it names until it expires. */
export const signLink = async (
  { url, region, atMs, seconds }: LinkToSign,
  { accessKeyId, secretAccessKey, sessionToken }: S3Credentials,
): Promise<string> => {
  const expiring = new URL(url)
  expiring.searchParams.set('X-Amz-Expires', String(seconds))
  const signer = new AwsV4Signer({
    method: 'GET',
    url: expiring.href,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service: 's3',
    region,
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    signQuery: true,
    cache: derivedKeys,
  })
  return (await signer.sign()).url.href.replaceAll('+', '%20') // not every storage reads + as a space
}
