// The floor in a process of its own: one row of a step's size an autocommit insert, over 32 connections.
import pg from 'pg'
import { obey } from './children.ts'
import { closedLoop, type Load } from './closed-loop.ts'

const connections = 32

await obey(async () => {
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client({ connectionString: process.env.BENCH_DATABASE_URL })
      await client.connect()
      return client
    }),
  )
  await clients[0]?.query(`create table rows (id bigint generated always as identity primary key, run_id text not null,
    seq int not null, name text not null, status text not null, inputs text, outputs text, ended_at timestamptz)`)
  const insert = {
    name: 'insert',
    text: `insert into rows (run_id, seq, name, status, inputs, outputs, ended_at) values ($1, $2, $3, $4, $5, $6, now())`,
    values: ['0192f0c1-5d2e-7c3a-9d2b-6a1f4c3b2a10', 0, 'echo_0', 'completed', '{"text":"hello"}', '{"text":"hello"}'],
  }
  return {
    throughput: (load: Omit<Load, 'clients'>) =>
      closedLoop({ ...load, clients: connections }, async (client) => clients[client]?.query(insert)),
    /** The slowest of inserts one at a time, `everyMs` apart, over so many seconds; in milliseconds. */
    slowest: async ({ seconds, everyMs }: { seconds: number; everyMs: number }) => {
      let slowest = 0
      for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
        const begun = performance.now()
        await clients[0]?.query(insert)
        slowest = Math.max(slowest, performance.now() - begun)
        await new Promise((resolve) => setTimeout(resolve, everyMs))
      }
      return slowest
    },
  }
})
