import { completion, type Script } from './openai.ts'

/** A tool call as a test writes it: the name, and what the model gives it. */
export type ToolAsked = [name: string, given: unknown, id?: string]

/** An answer of OpenAI that calls tools; a text is sent as the arguments as it is. */
export const callsTools = (model: string, ...asked: ToolAsked[]): Script => ({
  body: completion(model, '', {
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          tool_calls: asked.map(([name, given, id], at) => ({
            id: id ?? `call-${at}`,
            type: 'function',
            function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
          })),
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
  }),
})

/** The results that a request shows to the model, in order. */
export const resultsIn = (body: { messages: { role: string; content: string }[] }): string[] =>
  body.messages.filter(({ role }) => role === 'tool').map(({ content }) => content)

/** Chooses the answers of a conversation by the number of turns before. */
export const inTurns =
  (...turns: Script[]) =>
  (body: { messages: { role: string }[] }): Script | undefined =>
    turns[body.messages.filter(({ role }) => role === 'assistant').length]
