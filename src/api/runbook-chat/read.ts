import type { ScopedBody } from '../../http/implement.ts'
import { checkBody } from '../../http/input/parse.ts'
import { invalidField } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { type RunbookChat, type RunbookChatMessage, runbookChatSchema } from '../../model/runbooks/runbook-chat.ts'
import type { StartLabel } from '../../model/runs/label.ts'

/** A chat that asks for a runbook, as it was sent. */
export interface SentChat extends ScopedBody {
  sent: Record<string, unknown>
  /** The collection that it names, in the block or a header; whatever else it says may be wrong. */
  collection: string | undefined
  /** Labels of the header `X-Jetty-Labels`. */
  labels: readonly StartLabel[]
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined)

/** Reads a chat that asks for a runbook. A block in `extra_body` counts as one at the top; a header may name the collection. */
export const readSent = async (
  bytes: Buffer,
  header: string | undefined,
  labels: readonly StartLabel[],
): Promise<SentChat> => {
  const value = await parseLarge(bytes.toString()).catch(() => undefined)
  const { extra_body: extra, ...body } = isObject(value) ? value : {}
  const block = body.jetty ?? (isObject(extra) ? extra.jetty : undefined)
  if (!isObject(block)) return { sent: { ...body, jetty: block }, collection: undefined, labels }
  const collection = block.collection === undefined ? textOf(header) : textOf(block.collection)
  return { sent: { ...body, jetty: { ...block, ...(collection && { collection }) } }, collection, labels }
}

/** Checks a chat. Throws a 422 that lists every member that is not valid. */
export const checkChat = ({ sent }: SentChat): RunbookChat => checkBody(runbookChatSchema, sent) as RunbookChat

const contentText = ({ content }: RunbookChatMessage): string =>
  (typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('\n')).trim()

const runbookRoles = new Set(['system', 'developer'])
const knownRoles = new Set([...runbookRoles, 'user', 'assistant'])

const joined = (messages: RunbookChatMessage[]): string | undefined =>
  messages.map(contentText).filter(Boolean).join('\n\n') || undefined

/** Makes the text that follows the runbook: the user's message, or the whole conversation if there are several. */
const promptOf = (messages: RunbookChatMessage[]): string | undefined => {
  const said = messages.filter(({ role }) => !runbookRoles.has(role))
  if (said.every(({ role }) => role === 'user')) return joined(said)
  return said.map((message) => `${message.role}: ${contentText(message)}`).join('\n\n')
}

/**
 * Reads the runbook, and the text that follows it; undefined if there is none. Throws a 422 for a message that is
 * neither.
 */
export const readMessages = ({
  messages,
}: RunbookChat): { runbook: string | undefined; prompt: string | undefined } => {
  const strange = messages.findIndex(({ role }) => !knownRoles.has(role))
  if (strange !== -1) {
    const message = `A runbook accepts only messages of the roles ${[...knownRoles].join(', ')}`
    throw invalidField(['body', 'messages', strange, 'role'], message)
  }
  return { runbook: joined(messages.filter(({ role }) => runbookRoles.has(role))), prompt: promptOf(messages) }
}
