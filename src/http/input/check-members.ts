import { AppError } from '../../lib/errors.ts'
import { unknownName } from '../../lib/text/unknown-name.ts'
import type { Warning } from '../../model/warning.ts'
import type { Endpoint } from '../endpoint.ts'
import { unknownMembersOf } from './unknown-members.ts'

/** A body as it was read, before it is held against its schema. */
interface ReadBody {
  input: unknown
  /** The JSON text; empty where a form came. */
  text: string
  /** Names of file parts that were skipped. */
  skipped: readonly string[]
}

/** Checks the member names of a body. Unknown ones become warnings; throws if none of the body would be used. */
export type CheckMembers = (body: ReadBody, warn: (warning: Warning) => void) => void

/** The error for members outside of the wrapping member. Shows no values, which may be secrets. */
const misplaced = (member: string, names: readonly string[]): AppError => {
  const example = `{"${member}": {${names
    .slice(0, 3)
    .map((name) => `${JSON.stringify(name)}: …`)
    .join(', ')}}}`
  const are = names.length === 1 ? `${JSON.stringify(names[0])} is` : `${names.slice(0, 5).join(', ')} are`
  const msg = `${are} not known here, and ${member} is missing. Did you mean ${example}?`
  return new AppError('invalid', msg, { issues: [{ loc: ['body', member], msg, type: 'misplaced' }] })
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Whether a member is also in the wrapping member. Then nothing is lost: a client sends back what it has read. */
const isTwice = (name: string, input: Record<string, unknown>, wrapped: unknown): boolean =>
  isObject(wrapped) && Object.hasOwn(wrapped, name) && JSON.stringify(wrapped[name]) === JSON.stringify(input[name])

/** Makes the check of an endpoint's request documents, once. */
export const makeCheckMembers = ({ body, form, files, wraps }: Endpoint): CheckMembers | undefined => {
  const find = body && unknownMembersOf(body, form ? files : [])
  if (!find && !form) return undefined
  return ({ input, text, skipped }, warn) => {
    const found = find?.(input) ?? []
    const given = isObject(input) ? input : {}
    const wrapped = wraps === undefined ? undefined : given[wraps]
    const unknown = found.filter(({ field }) => !isTwice(field, given, wrapped))
    if (wraps !== undefined && wrapped === undefined && text !== '' && unknown.length > 0) {
      throw misplaced(
        wraps,
        unknown.map(({ field }) => field),
      )
    }
    for (const warning of unknown) warn(warning)
    for (const name of skipped) warn(unknownName('file part', name, files))
  }
}
