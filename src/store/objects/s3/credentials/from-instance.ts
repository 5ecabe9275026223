import { AppError } from '../../../../lib/errors.ts'
import { parseCredentials } from './json-credentials.ts'
import type { CredentialPlaces, FindCredentials } from './places.ts'

const metadataUrl = 'http://169.254.169.254/latest'
const rolePath = '/meta-data/iam/security-credentials/'

const isNetworkError = (error: unknown): boolean =>
  error instanceof AppError && ['network_failed', 'timed_out'].includes(error.code)

/** Asks for a session, as version 2 of the service demands; undefined where no such service answers within a second. */
const openSession = async (fetch: CredentialPlaces['fetch']): Promise<string | undefined> => {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '300' }
  try {
    const answer = await fetch(`${metadataUrl}/api/token`, { method: 'PUT', headers, timeoutSeconds: 1 })
    return answer.status === 200 ? (await answer.text()).trim() : undefined
  } catch (error) {
    if (isNetworkError(error)) return undefined
    throw error
  }
}

/** Asks the metadata service of an EC2 instance for the credentials of its role. */
export const fromInstance: FindCredentials = async ({ variables, fetch }) => {
  if (variables.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return undefined
  const token = await openSession(fetch)
  if (token === undefined) return undefined
  const get = (path: string) =>
    fetch(`${metadataUrl}${path}`, { headers: { 'x-aws-ec2-metadata-token': token }, timeoutSeconds: 5 })
  const roles = await get(rolePath)
  const [role] = roles.status === 200 ? (await roles.text()).split('\n') : []
  if (!role) return undefined
  const answer = await get(`${rolePath}${encodeURIComponent(role.trim())}`)
  if (answer.status === 200) return parseCredentials(await answer.text(), 'the instance metadata service')
  throw new AppError(
    'storage_unavailable',
    `The instance metadata service gave no credentials: status ${answer.status}`,
  )
}
