import { describe, expect, it } from 'vitest'
import { makeClosers } from './closers.ts'

describe('makeClosers', () => {
  it('closes in reverse order, each after the one before has ended', async () => {
    const closers = makeClosers()
    const seen: string[] = []
    for (const name of ['database', 'engine', 'http']) {
      closers.add(async () => {
        seen.push(`${name} begins`)
        await new Promise((resolve) => setTimeout(resolve, 1))
        seen.push(`${name} ends`)
      })
    }
    await closers.closeAll()
    expect(seen).toEqual(['http', 'engine', 'database'].flatMap((name) => [`${name} begins`, `${name} ends`]))
  })

  it('closes the rest after a failure, and rejects with the first one', async () => {
    const closers = makeClosers()
    const closed: string[] = []
    closers.add(() => closed.push('database'))
    closers.add(() => Promise.reject(new Error('second')))
    closers.add(() => {
      throw new Error('first')
    })
    await expect(closers.closeAll()).rejects.toThrow('first')
    expect(closed).toEqual(['database'])
  })

  it('closes everything once, however often it is called', async () => {
    const closers = makeClosers()
    let count = 0
    closers.add(() => count++)
    await Promise.all([closers.closeAll(), closers.closeAll()])
    expect(count).toBe(1)
  })
})
