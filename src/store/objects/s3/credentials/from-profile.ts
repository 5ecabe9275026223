import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AppError } from '../../../../lib/errors.ts'
import { parseCredentials } from './json-credentials.ts'
import type { FindCredentials, FoundCredentials } from './places.ts'

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
export const fromProfile: FindCredentials = async ({ variables }) => {
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
