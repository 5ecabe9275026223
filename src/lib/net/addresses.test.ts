import { describe, expect, it } from 'vitest'
import { isPublicAddress, mayConnect, parseAllowRules } from './addresses.ts'

describe('isPublicAddress', () => {
  it.each(['8.8.8.8', '93.184.216.34', '2606:4700::1111', '::ffff:8.8.8.8', '172.32.0.1', '100.128.0.1'])(
    '%s is',
    (address) => expect(isPublicAddress(address)).toBe(true),
  )
  it.each([
    '127.0.0.1',
    '127.255.0.1',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '168.63.129.16',
    '100.64.0.1',
    '100.100.100.200',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::10.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '100::1',
    '2001:db8::1',
    '4000::1',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false))
})

describe('rules', () => {
  it.each([
    ['*', '127.0.0.1', 'anything', 80, true],
    ['', '127.0.0.1', '127.0.0.1', 80, false],
    ['', '8.8.8.8', 'dns.google', 443, true],
    ['localhost', '127.0.0.1', 'localhost', 80, true],
    ['localhost', '::1', 'LOCALHOST.', 80, true],
    ['localhost', '127.0.0.1', 'evil.example', 80, false],
    ['localhost:11434', '127.0.0.1', 'localhost', 11434, true],
    ['localhost:11434', '127.0.0.1', 'localhost', 80, false],
    ['10.0.0.0/8', '10.1.2.3', 'box.internal', 80, true],
    ['10.0.0.0/8', '192.168.1.2', 'box.internal', 80, false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', 'box.internal', 80, true],
    ['10.0.0.5', '10.0.0.5', 'box.internal', 80, true],
    ['10.0.0.5:80', '10.0.0.5', '10.0.0.5', 81, false],
    ['fd00::/8', 'fd12::1', 'box.internal', 80, true],
    ['fd00::/8', '10.0.0.1', 'box.internal', 80, false],
    ['[::1]:8080', '::1', '[::1]', 8080, true],
    ['::1', '::1', '::1', 1, true],
    ['Münster.internal', '10.0.0.1', 'xn--mnster-3ya.internal', 80, true],
    ['127.1', '127.0.0.1', '127.0.0.1', 80, true],
    [' a.b , 10.0.0.0/8 ', '10.0.0.1', 'x', 80, true],
    ['*', 'not an address', 'x', 80, false],
  ])('%j: connecting to %s as %s:%d is allowed: %j', (text, address, host, port, allowed) => {
    expect(mayConnect(address, host, port, parseAllowRules(text))).toBe(allowed)
  })

  const here = { ownAddresses: () => ['93.184.216.34', '2001:4860:1::5', '10.0.0.5'], guardedPorts: [5432, 9100] }
  it.each([
    ['', '93.184.216.34', 'public.example', 80, false],
    ['', '::ffff:93.184.216.34', 'public.example', 80, false],
    ['', '2001:4860:1:0::5', 'public.example', 443, false],
    ['', '93.184.216.35', 'neighbour.example', 80, true],
    ['93.184.216.34', '93.184.216.34', 'public.example', 80, true],
    ['public.example:80', '93.184.216.34', 'public.example', 80, true],
    ['*', '93.184.216.34', 'public.example', 80, true],
    // The ports of the server itself.
    ['*', '127.0.0.1', 'localhost', 5432, false],
    ['localhost', '127.0.0.1', 'localhost', 9100, false],
    ['127.0.0.0/8', '127.8.8.8', '127.8.8.8', 5432, false],
    ['*', '0.0.0.0', '0.0.0.0', 5432, false],
    ['*', '::1', '[::1]', 5432, false],
    ['*', '93.184.216.34', 'public.example', 9100, false],
    ['10.0.0.0/8', '10.0.0.5', 'me.internal', 5432, false],
    ['10.0.0.0/8', '10.0.0.6', 'database.internal', 5432, true],
    ['localhost:9100', '127.0.0.1', 'localhost', 9100, true],
    ['127.0.0.1:5432', '127.0.0.1', 'anything', 5432, true],
    ['localhost', '127.0.0.1', 'localhost', 11434, true],
  ])('%j: on the machine itself, connecting to %s as %s:%d is allowed: %j', (text, address, host, port, allowed) => {
    expect(mayConnect(address, host, port, parseAllowRules(text), here)).toBe(allowed)
  })

  it.each(['http://localhost', 'a b', 'host:99999', 'host:', '10.0.0.0/99', 'user@host', '[::1'])(
    'refuses %j',
    (text) => {
      expect(() => parseAllowRules(text)).toThrow('JETTY_ALLOW_PRIVATE_NETWORK')
    },
  )
})
