import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** A port on which nobody listens, and that the system gives to nobody while this process lives. */
export const findClosedPort = async (): Promise<number> => {
  const nobody = createServer().listen(0, '127.0.0.1')
  await once(nobody, 'listening')
  const { port } = nobody.address() as AddressInfo
  // A connection that was made there holds the port after its server is closed; a new one is refused.
  connect(port, '127.0.0.1').unref()
  const [kept] = await once(nobody, 'connection')
  kept.unref()
  nobody.close()
  return port
}
