import { request } from 'node:http'
import { hearLateErrors } from '../src/cli/send-by-http.ts'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  text: string
  /** Whether the answer ended as its length or its chunks promised. */
  isWhole: boolean
}

/** A POST whose answer may break off: what had arrived is given, and whether that was all. */
export const rawPost = (url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const length = String(Buffer.byteLength(body))
    const sent = request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': length, ...headers },
    })
    hearLateErrors(sent).on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {}) // told by isWhole
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string>,
          text: Buffer.concat(chunks).toString(),
          isWhole: response.complete,
        }),
      )
    })
    sent.end(body)
  })
