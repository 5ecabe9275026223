import { openDatabase } from '../../../src/store/database/database.ts'

/** Holds the rows that a query locks, until the function that it gives is called. */
export const hold = async (url: string, text: string): Promise<() => Promise<void>> => {
  const database = openDatabase(url, { connections: 1 })
  let letGo = () => {}
  const released = new Promise<void>((resolve) => {
    letGo = resolve
  })
  let isHeld = () => {}
  const held = new Promise<void>((resolve) => {
    isHeld = resolve
  })
  const holding = database.transaction(async (queries) => {
    await queries.query('set local idle_in_transaction_session_timeout = 0')
    await queries.query(text)
    isHeld()
    await released
  })
  await Promise.race([held, holding])
  return async () => {
    letGo()
    await holding.catch(() => {})
    await database.close()
  }
}
