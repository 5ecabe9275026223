import type { ServerResponse } from 'node:http'
import type { AnswerFormat } from '../../../providers/upstream/formats/format.ts'

/** Closes the connection of an incomplete answer, after the written bytes were sent. */
export const breakOff = (response: ServerResponse): void => void setImmediate(() => response.destroy())

/** Answers with an error of this gateway in the format of the provider that was called: agents read that best. */
export const answerError = (response: ServerResponse, format: AnswerFormat, status: number, message: string): void => {
  if (response.headersSent || response.destroyed) {
    breakOff(response)
    return
  }
  const headers = { 'content-type': 'application/json', 'x-should-retry': 'false', ...format.errorHeaders }
  response.writeHead(status, headers).end(JSON.stringify(format.errorBody(status, message)))
}
