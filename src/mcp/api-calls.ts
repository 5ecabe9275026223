import type { Caller } from '../client/client.ts'
import { AppError } from '../lib/errors.ts'
import { readWhole } from '../lib/memory/byte-blocks.ts'
import type { ToolContext } from './tool.ts'

/** Bytes of one answer of the API that a tool reads. */
const largestAnswer = 4 * 1024 * 1024

const tooLarge = (): AppError =>
  new AppError('too_large', `The answer has more than ${largestAnswer} bytes`, {
    hint: 'Ask for a part of it.',
  })

/** Reads a body whole, up to the limit. */
export const responseText = async (response: Response): Promise<string> => {
  if (!response.body) return ''
  const body = response.body as unknown as AsyncIterable<Uint8Array>
  return (await readWhole(body, largestAnswer, tooLarge)).toString('utf8')
}

/** The calls of a tool, made as its caller, and given up when the tool is cancelled. */
export const apiCalls = (caller: Caller, signal: AbortSignal): Pick<ToolContext, 'call' | 'open'> => {
  const open: ToolContext['open'] = async (operation, input) =>
    (await caller(operation, { signal, ...input, asResponse: true })) as Response
  return {
    open,
    call: async (operation, input) => {
      const text = await responseText(await open(operation, input))
      return text === '' ? null : JSON.parse(text)
    },
  }
}
