import { readFile } from 'node:fs/promises'
import { AppError } from '../../../../lib/errors.ts'
import { elementText } from '../xml-text.ts'
import type { FindCredentials } from './places.ts'

/** Exchanges the token of a Kubernetes service account for credentials of its role (IRSA). */
export const fromWebIdentity: FindCredentials = async ({ variables, region, fetch }) => {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = variables
  if (!file || !role) return undefined
  const endpoint = variables.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com`
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: variables.AWS_ROLE_SESSION_NAME || 'jetty',
    WebIdentityToken: (await readFile(file, 'utf8')).trim(),
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await fetch(endpoint, { method: 'POST', headers, body, timeoutSeconds: 10, followRedirects: false })
  const text = await answer.text()
  const [accessKeyId, secretAccessKey] = [elementText(text, 'AccessKeyId'), elementText(text, 'SecretAccessKey')]
  if (answer.status === 200 && accessKeyId && secretAccessKey) {
    const expiresMs = Date.parse(elementText(text, 'Expiration') ?? '')
    return { accessKeyId, secretAccessKey, sessionToken: elementText(text, 'SessionToken'), expiresMs }
  }
  const said = elementText(text, 'Message') ?? `status ${answer.status}`
  throw new AppError('storage_unavailable', `${new URL(endpoint).host} gave no credentials for ${role}: ${said}`, {
    retryable: answer.status >= 500,
    hint: 'Check AWS_ROLE_ARN, and that the role trusts the service account.',
  })
}
