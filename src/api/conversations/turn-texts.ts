import { isObject, parsedObject } from '../../lib/json/json-object.ts'

/** Longer texts of a turn are cut. */
const mostCharacters = 8_000

const cut = (text: string): string => (text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text)

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value])

/** The text of a content in the form of any protocol: a text, or parts with texts. */
const contentText = (content: unknown): string =>
  listOf(content)
    .map((part) => (typeof part === 'string' ? part : isObject(part) && typeof part.text === 'string' ? part.text : ''))
    .filter((text) => text !== '')
    .join('\n')

const messageText = (message: unknown): string =>
  isObject(message) ? contentText(message.content ?? message.parts) : contentText(message)

const isOfUser = (message: unknown): boolean => !isObject(message) || (message.role ?? 'user') === 'user'

const texts = ['prompt', 'question', 'text', 'message', 'query'] as const

const shownObject = (value: Record<string, unknown>): string =>
  Object.keys(value).length === 0 ? '' : JSON.stringify(value)

/** What was asked: the last message of the user in the parameters of a call, or the parameters as JSON. */
export const saidIn = (...given: (string | null)[]): string => {
  for (const one of given) {
    const params = one === null ? undefined : parsedObject(one)
    if (!params) continue
    const messages = listOf(params.messages ?? params.input ?? params.contents)
    const said = messageText(messages.findLast((message) => isOfUser(message) && messageText(message) !== ''))
    if (said !== '') return cut(said)
    const named = texts.map((name) => params[name]).find((value) => typeof value === 'string' && value !== '')
    const text = typeof named === 'string' ? named : shownObject(params)
    if (text !== '') return cut(text)
  }
  return ''
}

/** What was answered: the text of the answer, or the outputs as JSON. */
export const answeredIn = (given: string | null): string => {
  const outputs = given === null ? undefined : parsedObject(given)
  if (!outputs) return ''
  const messages = listOf(outputs.messages)
  const answer =
    outputs.text ?? outputs.content ?? (messages.length > 0 ? messageText(messages.at(-1)) : outputs.output)
  const text = contentText(answer)
  return cut(text === '' ? shownObject(outputs) : text)
}
