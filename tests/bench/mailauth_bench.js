// mailauth in one process that is asked again and again; see maildkim_bench.pl.
'use strict';

const { arc, sealMessage } = require('mailauth/lib/arc');
const { dkimVerify } = require('mailauth/lib/dkim/verify');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const directory = process.argv[2];
const zone = JSON.parse(fs.readFileSync(path.join(directory, 'zone.json')));
const privateKey = fs.readFileSync(path.join(directory, 'key.pem'));

const resolver = async (name, type) => {
    if (type === 'TXT' && name in zone) {
        return [[zone[name]]];
    }
    throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
};

const tasks = {
    arc: async message => {
        const found = await dkimVerify(message, { resolver });
        return (await arc(found.arc, { resolver })).status.result;
    },
    dkim: async message => {
        const found = await dkimVerify(message, { resolver });
        return found.results.map(each => each.status.result).join(' ');
    },
    seal: async message => {
        const passed = message.subarray(0, 100).includes('arc=pass');
        const made = await sealMessage(message, {
            signingDomain: 'lists.example',
            selector: 'arc',
            privateKey,
            cv: passed ? 'pass' : 'none',
            authResults: 'lists.example; arc=' + (passed ? 'pass' : 'none')
        });
        return made.length ? 'sealed' : 'skipped';
    }
};

const main = async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [task, file, count] = JSON.parse(line);
        const message = fs.readFileSync(file);
        let result;
        const before = process.cpuUsage();
        for (let done = 0; done < count; done++) {
            result = await tasks[task](message);
        }
        const { user, system } = process.cpuUsage(before);
        process.stdout.write(`${(user + system) / 1e6} ${result}\n`);
    }
};

main();
