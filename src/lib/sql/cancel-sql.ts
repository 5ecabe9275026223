import { Socket } from 'node:net'
import pg from 'pg'
import type { SqlConnection } from './connect-sql.ts'

const cancelMs = 2_000

interface CancelConnection {
  connect(port: number, host: string): void
  cancel(processId: number, secretKey: number): void
  end(): void
  stream: Socket
  on(event: string, listener: () => void): void
}

/**
 * Asks the server to cancel the statement of a connection, over a connection of its own, as the protocol wants it.
 * Resolves when it was asked, or could not be.
 */
export const cancelAtServer = async ({ client, address, tls }: SqlConnection): Promise<void> => {
  const { processID, secretKey, port } = client as unknown as { processID: number; secretKey: number; port: number }
  if (!processID) return
  const connection = new pg.Connection({ ssl: tls, stream: () => new Socket() } as never) as unknown as CancelConnection
  const asked = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, cancelMs)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const cancel = () => {
      connection.cancel(processID, secretKey)
      connection.end()
    }
    connection.on('error', done)
    connection.on('end', done)
    connection.on(tls ? 'sslconnect' : 'connect', cancel)
    if (tls) connection.on('connect', () => (connection as unknown as { requestSsl(): void }).requestSsl())
  })
  connection.connect(port, address)
  await asked
  connection.stream.destroy()
}
