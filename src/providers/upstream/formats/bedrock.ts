import { isObject, parsedObject } from '../../../lib/json/json-object.ts'
import { converseUsageIn } from '../usage/usage.ts'
import { type AnswerFormat, saysFailed, saysFinished, saysNothing, statelessReader } from './format.ts'
import { messagesFormat } from './messages.ts'

const ofAws = {
  errorBody: (_: number, message: string) => ({ message }),
  errorHeaders: { 'x-amzn-errortype': 'ValidationException' },
}

/** Bedrock's `invoke`, which wraps what the maker of a model answers: here Anthropic's messages. */
export const invokeFormat: AnswerFormat = { ...messagesFormat, ...ofAws }

/** Bedrock's own `converse`. Its events are read as `{"<type>": <payload>}`, see `awsFrames`. */
export const converseFormat: AnswerFormat = {
  ...messagesFormat,
  ...ofAws,
  makeReader: statelessReader((data) => {
    const event = parsedObject(data) ?? {}
    if (event.error !== undefined) return saysFailed(event.error)
    return event.messageStop === undefined ? saysNothing : saysFinished
  }),
  mayStateUsage: /"usage"/,
  usageMember: ({ metadata, usage }) => (isObject(metadata) ? metadata.usage : usage),
  readUsage: (usage) => ({ usage: converseUsageIn(usage), cost: undefined }),
  words: /"(?:text|input)"\s*:\s*"/g,
}
