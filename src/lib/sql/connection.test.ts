import { describe, expect, it } from 'vitest'
import { readConnectionUrl } from './connection.ts'

describe('a connection URL', () => {
  it.each([
    ['postgres://me:secret@db.example.com/shop', { host: 'db.example.com', port: 5432, database: 'shop' }],
    [
      'postgresql://me@DB.Example.com:6543',
      { host: 'db.example.com', port: 6543, database: 'me', password: undefined },
    ],
    ['postgres://me:p%40ss@[::1]:5433/shop', { host: '::1', port: 5433, password: 'p@ss' }],
    ['postgres://me:x@2130706433/shop', { host: '127.0.0.1' }],
    ['postgres://me:x@0x7f.1/shop', { host: '127.0.0.1' }],
    [' postgres://me:x@db/shop?sslmode=require&channel_binding=require\n', { tls: 'require', channelBinding: true }],
    ['postgres://me:x@db/shop?options=endpoint%3Done', { options: 'endpoint=one', tls: 'default' }],
    ['postgres://me:x@db/shop?sslrootcert=system&sslmode=verify-full', { tls: 'verify-full' }],
    ['postgres://me:x@db:443/a%20b', { port: 443, database: 'a b' }],
  ])('%s', (url, expected) => {
    expect(readConnectionUrl(url)).toMatchObject({ user: 'me', ...expected })
  })

  it.each([
    ['WAREHOUSE', /not a URL of PostgreSQL/],
    ['mysql://me:unmistakable@db/shop', /not a URL of PostgreSQL/],
    ['postgres:///shop?host=/var/run/postgresql', /option 'host' is not supported/],
    ['postgres:///shop', /no user name|no host/],
    ['postgres://me:unmistakable@a,b/shop', /one host/],
    ['postgres://me:unmistakable@%2Fvar%2Frun/shop', /one host/],
    ['postgres://db/shop', /no user name/],
    ['postgres://me:un%mistakable@db/shop', /password has a %/],
    ['postgres://me:unmistakable@db/shop?sslmode=maybe', /sslmode/],
    ['postgres://me:unmistakable@db/shop?sslrootcert=/etc/passwd', /'sslrootcert' is not supported/],
    ['postgres://me:unmistakable@db/shop?hostaddr=127.0.0.1', /'hostaddr' is not supported/],
    ['postgres://me:12?unmistakable@db/shop', /no option of a connection/],
    ['postgres://me:unmistakable@db/a%00b', /NUL/],
  ])('%s is refused, and not repeated', (url, message) => {
    const refused = () => readConnectionUrl(url)
    expect(refused).toThrow(message)
    expect(refused).not.toThrow(/unmistakable/)
  })
})
