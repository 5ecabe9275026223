/** Where the keys of a bucket come from: the settings, or what the AWS CLI would use on this machine, in its order. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../../../../lib/errors.ts'
import type { Fetch } from '../../../../lib/net/net.ts'
import { elementText } from '../answer.ts'
import type { CredentialSource, S3Credentials } from '../client.ts'

/** Keys with the time at which they expire, in milliseconds since 1970; undefined: never. */
interface FoundCredentials extends S3Credentials {
  expiresMs?: number | undefined
}

export interface CredentialPlaces {
  /** Keys of the settings. */
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
  /** Environment variables. */
  variables: Record<string, string | undefined>
  region: string
  /** Reaches AWS, and the local addresses that give credentials to containers and instances. */
  fetch: Fetch
}

/** Looks in one place: undefined when nothing is configured there. Throws when what is configured fails. */
type FindCredentials = (places: CredentialPlaces) => Promise<FoundCredentials | undefined>

const textOf = (document: Record<string, unknown>, name: string): string | undefined =>
  typeof document[name] === 'string' && document[name] !== '' ? (document[name] as string) : undefined

/** Reads the document in which programs, containers and instances give credentials. Throws for any other one. */
const parseCredentials = (text: string, from: string): FoundCredentials => {
  let document: Record<string, unknown> = {}
  try {
    document = Object(JSON.parse(text))
  } catch {
    // reported below: the text may have secrets, and is not shown
  }
  const accessKeyId = textOf(document, 'AccessKeyId')
  const secretAccessKey = textOf(document, 'SecretAccessKey')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new AppError('invalid', `The answer of ${from} has no credentials for AWS`)
  }
  const expiresMs = Date.parse(textOf(document, 'Expiration') ?? '')
  const sessionToken = textOf(document, 'SessionToken') ?? textOf(document, 'Token')
  return { accessKeyId, secretAccessKey, sessionToken, expiresMs: Number.isNaN(expiresMs) ? undefined : expiresMs }
}

type Section = Record<string, string>

/** Reads the sections of an INI file of AWS; nested values, which are indented, are left out. */
export const parseProfiles = (text: string): Record<string, Section> => {
  const sections: Record<string, Section> = {}
  let current: Section | undefined
  for (const line of text.split(/\r?\n/)) {
    const [, heading] = /^\[\s*(?:profile\s+)?([^\]]*?)\s*\]/.exec(line) ?? []
    if (heading !== undefined) {
      sections[heading] ??= {}
      current = sections[heading]
      continue
    }
    const [, name, value] = /^([\w.-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (current && name !== undefined && value !== undefined) current[name.toLowerCase()] = value
  }
  return sections
}

const readOrEmpty = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error) => {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(error.code)) return ''
    throw error
  })

/** Runs a program that prints credentials, as `aws configure export-credentials` does for SSO and assumed roles. */
const runProcess = async (command: string): Promise<FoundCredentials> => {
  try {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], {
      timeout: 60_000,
      maxBuffer: 1024 * 1024,
    })
    return parseCredentials(stdout, 'credential_process')
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('storage_unavailable', 'The credential_process of the AWS profile failed', { cause: error })
  }
}

/** Reads the profile `AWS_PROFILE`, or `default`, from the files of the AWS CLI. */
const fromProfile: FindCredentials = async ({ variables }) => {
  const folder = join(variables.HOME || homedir(), '.aws')
  const [config, credentials] = await Promise.all([
    readOrEmpty(variables.AWS_CONFIG_FILE || join(folder, 'config')),
    readOrEmpty(variables.AWS_SHARED_CREDENTIALS_FILE || join(folder, 'credentials')),
  ])
  const name = variables.AWS_PROFILE || 'default'
  const profile = { ...parseProfiles(config)[name], ...parseProfiles(credentials)[name] }
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = profile
  if (accessKeyId && secretAccessKey) {
    return { accessKeyId, secretAccessKey, sessionToken: profile.aws_session_token || undefined }
  }
  if (profile.credential_process) return runProcess(profile.credential_process)
  if (!variables.AWS_PROFILE) return undefined
  throw new AppError('invalid', `The AWS profile '${name}' has neither keys nor a credential_process`, {
    hint: 'For SSO and roles: credential_process = aws configure export-credentials --profile <name> in a profile of its own.',
  })
}

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
const fromInstance: FindCredentials = async ({ variables, fetch }) => {
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

/** Exchanges the token of a Kubernetes service account for credentials of its role (IRSA). */
const fromWebIdentity: FindCredentials = async ({ variables, region, fetch }) => {
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

/** Hosts that may get the token of a container without encryption: its own machine, and those of ECS and EKS. */
const localHosts = new Set(['localhost', '127.0.0.1', '[::1]', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'])

const urlOf = (variables: Record<string, string | undefined>): string | undefined => {
  const relative = variables.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
  if (relative) return new URL(relative, 'http://169.254.170.2').href
  const full = variables.AWS_CONTAINER_CREDENTIALS_FULL_URI
  if (!full) return undefined
  const isTrusted =
    URL.canParse(full) && (new URL(full).protocol === 'https:' || localHosts.has(new URL(full).hostname))
  if (isTrusted) return full
  throw new AppError('invalid', 'AWS_CONTAINER_CREDENTIALS_FULL_URI names no local address and does not use https')
}

/** Asks the agent of ECS, or of EKS Pod Identity, for the credentials of this container. */
const fromContainer: FindCredentials = async ({ variables, fetch }) => {
  const url = urlOf(variables)
  if (url === undefined) return undefined
  const file = variables.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  const token = file ? (await readFile(file, 'utf8')).trim() : variables.AWS_CONTAINER_AUTHORIZATION_TOKEN
  const headers = token ? { authorization: token } : {}
  const answer = await fetch(url, { headers, timeoutSeconds: 5, followRedirects: false })
  if (answer.status === 200) return parseCredentials(await answer.text(), new URL(url).host)
  throw new AppError('storage_unavailable', `${new URL(url).host} gave no credentials: status ${answer.status}`)
}

const fromSettings: FindCredentials = async ({ accessKeyId, secretAccessKey }) => {
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey }
  throw new AppError('invalid', 'JETTY_STORAGE_ACCESS_KEY_ID and JETTY_STORAGE_SECRET_ACCESS_KEY belong together', {
    hint: 'Set both, or neither to use the credentials of this machine.',
  })
}

const fromVariables: FindCredentials = async ({ variables }) => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = variables
  if (!accessKeyId || !secretAccessKey) return undefined
  return { accessKeyId, secretAccessKey, sessionToken: variables.AWS_SESSION_TOKEN || undefined }
}

const chain: readonly FindCredentials[] = [
  fromSettings,
  fromVariables,
  fromProfile,
  fromWebIdentity,
  fromContainer,
  fromInstance,
]

const find = async (places: CredentialPlaces): Promise<FoundCredentials> => {
  for (const look of chain) {
    const found = await look(places)
    if (found) return found
  }
  throw new AppError('invalid', 'There are no credentials for the bucket of JETTY_STORAGE', {
    hint: 'Set JETTY_STORAGE_ACCESS_KEY_ID and JETTY_STORAGE_SECRET_ACCESS_KEY, or give the machine a role or profile.',
  })
}

/** Temporary credentials are renewed so long before they expire. */
const renewBeforeMs = 5 * 60_000

/** Makes a source of credentials that asks once for all callers, and again before they expire. */
export const makeCredentialSource = (places: CredentialPlaces): CredentialSource => {
  let kept: FoundCredentials | undefined
  let asking: Promise<FoundCredentials> | undefined
  const ask = (): Promise<FoundCredentials> => {
    asking ??= find(places)
      .then((found) => {
        kept = found
        return found
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  return {
    async get() {
      const leftMs = (kept?.expiresMs ?? Number.POSITIVE_INFINITY) - Date.now()
      if (kept && leftMs > renewBeforeMs) return kept
      const current = kept
      // While the old ones are still valid, a failed renewal is no failure.
      return ask().catch((error) => (current && leftMs > 0 ? current : Promise.reject(error)))
    },
    forget() {
      kept = undefined
    },
  }
}
