import { readFileSync } from 'node:fs'
import { AppError } from '../../lib/errors.ts'
import { fileReason } from './file-problems.ts'

const shortest = 8

/** Reads the passphrase of a backup from the file of an option, or takes that of the setting. */
export const readPassphrase = (file: string | undefined, setting: string | undefined): string | undefined => {
  if (file === undefined) return setting
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new AppError('invalid', `--passphrase-file ${file} cannot be read: ${fileReason(error)}`, { cause: error })
  }
  if (text.length >= shortest) return text
  throw new AppError('invalid', `The passphrase in ${file} must have at least ${shortest} characters`, {
    hint: 'Make one with: openssl rand -base64 24',
  })
}
