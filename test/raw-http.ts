import { createConnection } from 'node:net'

const longestMs = 20_000

/** Whether an answer has come with as much as its head promises. */
const isWhole = (answer: Buffer): boolean => {
  const end = answer.indexOf('\r\n\r\n')
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.toString('latin1', 0, Math.max(0, end)))?.[1]
  return length !== undefined && answer.length >= end + 4 + Number(length)
}

/** Sends bytes as they are and reads until there is an answer or the server closes; no longer than so long. */
export const sendRaw = (port: number, bytes: string | Buffer, waitMilliseconds = longestMs): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(bytes))
    let answer = Buffer.alloc(0)
    const timer = setTimeout(() => socket.destroy(), waitMilliseconds)
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk])
      if (isWhole(answer)) socket.destroy()
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer.toString())
    })
    // A server that has answered may go while we are still sending.
    socket.on('error', (error) => answer.length === 0 && reject(error))
  })
