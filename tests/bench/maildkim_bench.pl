#!/usr/bin/perl
# Mail::DKIM in one process that is asked again and again.
#
#   maildkim_bench.pl DIRECTORY    with zone.json and key.pem in it
#
# Reads lines like ["arc","/path/to/message",3]: the task arc, dkim or seal, the
# message, how often.  Answers each by the CPU seconds that took, and the result.
use strict;
use warnings;

use JSON::PP;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Verifier;
use Net::DNS::RR;
use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);

my ($directory) = @ARGV;
my $zone = decode_json( slurp("$directory/zone.json") );
my $key  = Mail::DKIM::PrivateKey->load( File => "$directory/key.pem" );
my %task = ( arc => \&arc, dkim => \&dkim, seal => \&seal );

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name) = @_;
        return Net::DNS::RR->new(
            owner   => $name,
            type    => 'TXT',
            txtdata => [ $zone->{ lc $name } =~ /(.{1,255})/gs ],
        );
    };
}

$| = 1;
while ( my $line = <STDIN> ) {
    my ( $task, $path, $count ) = @{ decode_json($line) };
    my $message = slurp($path);
    my $result;
    my $started = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    $result = $task{$task}->($message) for 1 .. $count;
    my $seconds = clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $started;
    print "$seconds $result\n";
}

sub arc {
    return given( Mail::DKIM::ARC::Verifier->new, @_ )->result;
}

sub dkim {
    my $verifier = given( Mail::DKIM::Verifier->new, @_ );
    return join ' ', map { $_->result } $verifier->signatures;
}

sub seal {
    my $signer = Mail::DKIM::ARC::Signer->new(
        Algorithm => 'rsa-sha256',
        Chain     => 'ar',
        Domain    => 'lists.example',
        SrvId     => 'lists.example',
        Selector  => 'arc',
        Key       => $key,
    );
    return given( $signer, @_ )->result;
}

sub given {
    my ( $reader, $message ) = @_;
    $reader->PRINT($message);
    $reader->CLOSE;
    return $reader;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}
