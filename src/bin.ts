#!/usr/bin/env node
/** The one executable: the server, and every command that talks to one. */
import { runProgram } from './cli/program.ts'

process.exit(await runProgram(process.argv)) // not just an exit code: what a failed start has left open must not keep it
