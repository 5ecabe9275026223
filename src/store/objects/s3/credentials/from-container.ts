import { readFile } from 'node:fs/promises'
import { AppError } from '../../../../lib/errors.ts'
import { parseCredentials } from './json-credentials.ts'
import type { FindCredentials } from './places.ts'

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
export const fromContainer: FindCredentials = async ({ variables, fetch }) => {
  const url = urlOf(variables)
  if (url === undefined) return undefined
  const file = variables.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  const token = file ? (await readFile(file, 'utf8')).trim() : variables.AWS_CONTAINER_AUTHORIZATION_TOKEN
  const headers = token ? { authorization: token } : {}
  const answer = await fetch(url, { headers, timeoutSeconds: 5, followRedirects: false })
  if (answer.status === 200) return parseCredentials(await answer.text(), new URL(url).host)
  throw new AppError('storage_unavailable', `${new URL(url).host} gave no credentials: status ${answer.status}`)
}
