import { createConnection } from 'node:net'

/** Sends bytes as they are and reads until the server closes, or for a moment. */
export const sendRaw = (port: number, bytes: string | Buffer, waitMilliseconds = 400): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(bytes))
    let answer = ''
    const timer = setTimeout(() => socket.destroy(), waitMilliseconds)
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
    socket.on('error', reject)
  })
