import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import type { Sandbox } from '../isolation/sandbox.ts'

/** Reads the certificate authorities that this process trusts beside those of Node; undefined if there are none. */
export const readOwnCertificates = (path = process.env.NODE_EXTRA_CA_CERTS): string | undefined => {
  if (!path) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // Node has said so when it started
  }
}

const fileName = '.certificates.pem'

/**
 * Makes the programs in a sandbox trust the authorities of the server as well. Returns the variables by which Node, npm, uv,
 * curl, and Python with and without `requests` find them.
 */
export const trustCertificates = async (
  { put, places }: Pick<Sandbox, 'put' | 'places'>,
  certificates: string | undefined,
): Promise<Record<string, string>> => {
  if (certificates === undefined) return {}
  // All but Node take the file instead of their own list.
  await put(`/app/${fileName}`, [...rootCertificates, certificates].join('\n'))
  const path = `${places.app}/${fileName}`
  const names = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']
  return Object.fromEntries(names.map((name) => [name, path]))
}
